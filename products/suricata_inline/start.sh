#!/bin/sh
# Suricata in the path: the gateway's packets wait in a queue until it lets them go. In the foreground.
#
# RULES     `none` (as Debian's package leaves it), `shipped` (the package's rule files; requests that break HTTP are
#           dropped) or `given` (those and the user's, as they are written)
# HOME_NET  addresses of the nodes to protect, with blanks between; Debian's default if empty
set -eu
set -- -c /etc/suricata/suricata.yaml -q 0
if [ "$RULES" != none ]; then
    # Protocols that Debian's configuration leaves off would only give errors.
    for file in /etc/suricata/rules/*.rules; do
        case "$file" in
            */modbus-events.rules | */dnp3-events.rules) ;;
            */http-events.rules) sed '/flow:established,to_server/s/^alert /drop /' "$file" ;;
            *) cat "$file" ;;
        esac
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
# What the gateway receives and sends, but for itself. Without anyone at the queue, packets pass.
for chain in INPUT OUTPUT FORWARD; do
    case "$chain" in INPUT) side="-i" ;; *) side="-o" ;; esac
    iptables -A "$chain" ! "$side" lo -j NFQUEUE --queue-num 0 --queue-bypass
done
exec suricata "$@"
