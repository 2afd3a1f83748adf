#!/bin/bash
# clamd and clamonacc, as their units start them; the end of one is the product's end. SETTINGS=tuned adds tuned.conf.
set -eu
# Told to end, it tells all that it started.
trap 'trap - TERM; kill 0; exit 0' TERM
if [ "${SETTINGS:-}" = tuned ]; then
    # clamd refuses an option that is given twice, so Debian's own line goes.
    sed -n 's/^\([A-Za-z]\{1,\}\) .*/\1/p' /usr/local/lib/clamav/tuned.conf | sort -u | grep -v '^OnAccessIncludePath$' \
        | while read -r option; do sed -i "/^$option /d" /etc/clamav/clamd.conf; done
    cat /usr/local/lib/clamav/tuned.conf >> /etc/clamav/clamd.conf
fi
install -d -o clamav -g clamav /run/clamav /var/lib/clamav-unpack
# clamonacc refuses to start if one of the directories does not exist.
sed -n 's/^OnAccessIncludePath //p' /etc/clamav/clamd.conf | xargs mkdir -p
clamd --foreground &
/usr/bin/clamdscan --ping 120:1
touch /var/log/clamav/clamonacc.log
clamonacc --foreground --fdpass --log=/var/log/clamav/clamonacc.log &
wait -n
exit 1
