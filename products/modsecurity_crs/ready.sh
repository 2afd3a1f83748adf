#!/bin/sh
# The workers of before the reload are gone, so that every request is inspected.
set -eu
[ -e /var/log/nginx/modsec_audit.log ]
! pgrep -f 'nginx: worker process is shutting down' > /dev/null
