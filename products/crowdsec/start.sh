#!/bin/bash
# crowdsec, and in the tuned arm the firewall bouncer; the end of one is the product's end.
# SETTINGS=tuned: see README.md.
set -eu
# Told to end, it tells all that it started.
trap 'trap - TERM; kill 0; exit 0' TERM
echo "${SETTINGS:-default}" > /run/crowdsec.settings
export LC_ALL=C LANG=C
for log in auth.log syslog; do
    [ -e "/var/log/$log" ] || install -m 0640 -g adm /dev/null "/var/log/$log"
done
if [ "${SETTINGS:-}" = tuned ]; then
    rm /etc/crowdsec/parsers/s02-enrich/whitelists.yaml
    /usr/local/lib/crowdsec/enable.sh crowdsecurity/linux-lpe crowdsecurity/iptables crowdsecurity/mariadb \
        crowdsecurity/mysql crowdsecurity/pgsql crowdsecurity/smb crowdsecurity/modsecurity
fi
touch /var/log/crowdsec.log
crowdsec -c /etc/crowdsec/config.yaml 2> /dev/null &
if [ "${SETTINGS:-}" = tuned ]; then
    until cscli lapi status > /dev/null 2>&1; do kill -0 $!; done
    crowdsec-firewall-bouncer -c /etc/crowdsec/bouncers/crowdsec-firewall-bouncer.yaml 2> /dev/null &
fi
wait -n
tail -n 3 /var/log/crowdsec.log >&2
exit 1
