#!/bin/sh
# Turns ModSecurity on in the gateway's nginx, and runs for as long as nginx does.
#
# ENGINE    DetectionOnly (Debian's) or On
# PARANOIA  1 (CRS's default) to 4
# EXTRA     another file beside this one, or empty
set -eu
here=/usr/local/lib/modsecurity
cat > "$here/arm.conf" <<EOF
SecRuleEngine ${ENGINE:-DetectionOnly}
SecAction "id:900000,phase:1,nolog,pass,t:none,setvar:tx.paranoia_level=${PARANOIA:-1}"
EOF
if [ -n "${EXTRA:-}" ]; then
    echo "Include $here/$EXTRA" >> "$here/arm.conf"
fi
cat > /etc/nginx/conf.d/modsecurity.conf <<EOF
modsecurity on;
modsecurity_rules_file $here/main.conf;
EOF
nginx -t
nginx -s reload
exec tail --pid="$(cat /run/nginx.pid)" -f /dev/null
