#!/bin/bash
# clamd and clamonacc, as their units start them; the end of one is the product's end.
set -eu
install -d -o clamav -g clamav /run/clamav /var/lib/clamav-unpack
# clamonacc refuses to start if one of the directories does not exist.
sed -n 's/^OnAccessIncludePath //p' /etc/clamav/clamd.conf | xargs mkdir -p
clamd --foreground &
/usr/bin/clamdscan --ping 120:1
touch /var/log/clamav/clamonacc.log
clamonacc --foreground --fdpass --log=/var/log/clamav/clamonacc.log &
wait -n
exit 1
