#!/bin/sh
# fail2ban refuses to start while the log that it is to read does not exist yet; rsyslog makes it with the first line.
# SETTINGS=tuned adds tuned.local, and every shipped web jail whose log is there.
set -eu
[ -e /var/log/auth.log ] || install -m 0640 -g adm /dev/null /var/log/auth.log
mkdir -p /run/fail2ban
if [ "${SETTINGS:-}" = tuned ]; then
    cp /usr/local/lib/fail2ban/tuned.local /etc/fail2ban/jail.d/zz-tuned.local
    enable() { printf '\n[%s]\nenabled = true\nbackend = auto\n' "$@" >> /etc/fail2ban/jail.d/zz-tuned.local; }
    if [ -e /var/log/nginx/error.log ]; then
        enable nginx-http-auth nginx-botsearch nginx-bad-request nginx-forbidden
    fi
    if [ -e /var/log/apache2/error.log ]; then
        enable apache-auth apache-badbots apache-noscript apache-overflows apache-nohome apache-botsearch apache-shellshock
    fi
fi
exec fail2ban-server -xf start
