#!/bin/sh
# FILL IN / 記入: start your product in the foreground. Until then: nginx itself, which runs already, does the work.
touch /var/log/[[ id ]].json
exec tail -n 0 -F /var/log/[[ id ]].json
