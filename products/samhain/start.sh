#!/bin/sh
# Takes the database once, then compares over and over in the foreground. SETTINGS=tuned adds tuned.conf.
set -eu
if [ "${SETTINGS:-}" = tuned ]; then
    # /bin, /sbin and /lib are links into /usr on Debian 13; samhain says at each comparison that they are no directories.
    sed -i -e '\#^dir=/bin$#d' -e '\#^dir=3/sbin$#d' -e '\#^dir=/lib$#d' /etc/samhain/samhainrc
    cat /usr/local/lib/samhain/tuned.conf >> /etc/samhain/samhainrc
fi
echo '[EOF]' >> /etc/samhain/samhainrc
[ -e /var/log/auth.log ] || install -m 0640 -g adm /dev/null /var/log/auth.log
[ -e /var/log/syslog ] || install -m 0640 -g adm /dev/null /var/log/syslog
samhain -t init -p none -l none > /dev/null 2>&1
exec nice -n 10 samhain -t check --forever --foreground -p none
