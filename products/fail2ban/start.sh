#!/bin/sh
# fail2ban refuses to start while the log that it is to read does not exist yet; rsyslog makes it with the first line.
set -eu
[ -e /var/log/auth.log ] || install -m 0640 -g adm /dev/null /var/log/auth.log
mkdir -p /run/fail2ban
exec fail2ban-server -xf start
