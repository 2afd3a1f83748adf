#!/bin/sh
# Takes the database once, then compares and renews it over and over; each change is reported once, on stdout.
# INTERVAL_S is the pause between two comparisons; SETTINGS=tuned adds tuned.conf.
set -eu
[ "${SETTINGS:-}" != tuned ] || cp /usr/local/lib/aide/tuned.conf /etc/aide/aide.conf.d/99_tuned
database=/var/lib/aide/aide.db
aide --config /etc/aide/aide.conf --init > /dev/null
mv "$database.new" "$database"
while true; do
    sleep "$INTERVAL_S"
    code=0
    nice -n 10 aide --config /etc/aide/aide.conf --update || code=$?
    # 1, 2 and 4 are added up for entries that are added, removed or changed; from 14 on it is an error.
    [ "$code" -lt 14 ]
    mv "$database.new" "$database"
done
