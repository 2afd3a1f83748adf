#!/bin/sh
# Ready: clamd answers and clamonacc runs; that it blocks is for the canary to show.
set -eu
clamdscan --ping 1
[ -s /var/log/clamav/clamonacc.log ] || pidof clamonacc
