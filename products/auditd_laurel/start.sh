#!/bin/bash
# Loads the rules from inside the node's mount namespace, then runs auditd; with Sigma rules, also what applies them.
# Its end is the product's end, so it ends as soon as one of the two does.
set -eu
mkdir -p /run/notes
extra=()
[ "${SIGMA_RULES:-}" = "" ] || extra=(--sigma)
# shellcheck disable=SC2086 # a list of file names
python3 /opt/product/load_rules.py "$NODE_PID" $RULE_FILES "${extra[@]}"
auditd -n >&2 &
log=/var/log/laurel/audit.log
if [ "${SIGMA_RULES:-}" = "" ]; then
    tail -n +1 -s 0.1 -F "$log" &
else
    mkdir -p "$SIGMA_RULES"
    PYTHONPATH=/opt/product/python python3 /opt/product/apply_sigma.py "$NODE_PID" "$SIGMA_RULES" "$log" &
fi
wait -n
exit 1
