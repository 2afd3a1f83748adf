#!/bin/sh
# Ready: the kernel delivers to auditd, laurel has written, the notes say what is in force.
set -eu
[ -s /run/notes/rules.txt ]
[ -s /var/log/laurel/audit.log ]
[ "${SIGMA_RULES:-}" = "" ] || [ -s /run/notes/sigma.txt ]
auditctl -s | grep -q '^pid [1-9]'
