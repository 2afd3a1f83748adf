#!/bin/sh
# Suricata on the mirror port, in the foreground.
#
# RULES     `none` (as Debian's package leaves it), `shipped` (the package's rule files) or `given` (those and the user's)
# HOME_NET  addresses of the nodes to protect, with blanks between; Debian's default if empty
set -eu
set -- -c /etc/suricata/suricata.yaml --af-packet=mirror0
if [ "$RULES" != none ]; then
    # Protocols that Debian's configuration leaves off would only give errors.
    for file in /etc/suricata/rules/*.rules; do
        case "$file" in */modbus-events.rules | */dnp3-events.rules) continue ;; esac
        cat "$file"
    done > /var/log/suricata/loaded.rules
    if [ "$RULES" = given ]; then
        find /opt/suricata_rules -name '*.rules' -exec cat {} + >> /var/log/suricata/loaded.rules
    fi
    set -- "$@" -S /var/log/suricata/loaded.rules --set flow-timeouts.tcp.closed=1 \
        --set app-layer.protocols.http.libhtp.default-config.double-decode-path=yes
fi
if [ -n "${HOME_NET:-}" ]; then
    set -- "$@" --set "vars.address-groups.HOME_NET=[$(echo $HOME_NET | tr ' ' ',')]" \
        --set vars.address-groups.EXTERNAL_NET=any
fi
exec suricata "$@"
