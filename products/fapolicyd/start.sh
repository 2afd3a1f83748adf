#!/bin/bash
# Loads one of the two policies that the package describes, then runs the daemon; what it would deny is printed.
# RULES: names of the package's sample rule files, without `.rules`; INTEGRITY: see fapolicyd.conf(5).
set -eu
for name in $RULES; do cp "/usr/share/fapolicyd/sample-rules/$name.rules" /etc/fapolicyd/rules.d/; done
# Without an audit daemon in the node nobody would hear of `deny_audit`; the decision itself stays the same.
sed -i 's/^deny_audit /deny_syslog /' /etc/fapolicyd/rules.d/*.rules
fagenrules > /dev/null
sed -i "s/^integrity = .*/integrity = $INTEGRITY/" /etc/fapolicyd/fapolicyd.conf
# fapolicyd writes its state here with the lock held that it needs to answer the kernel, so the place must be one that
# the kernel doesn't ask about: a file system in memory, as /run is on a machine that booted.
mount -t tmpfs -o mode=0755,size=8m tmpfs /run/fapolicyd
fapolicyd --permissive --debug-deny > >(exec tee /run/fapolicyd/log) 2>&1 &
daemon=$!
trap 'kill "$daemon"; wait; exit 0' TERM INT
# While fapolicyd does not answer, every open in this node hangs, the engine's own with it. So it is asked each second;
# when it has not answered for five, it is killed, and the kernel lets everyone go. Nothing here opens or executes a file.
exec {never}<> <(:)
while kill -0 "$daemon" 2> /dev/null; do
    ( : < /etc/debian_version ) &
    question=$!
    for _ in 1 2 3 4 5; do
        read -r -t 1 -u "$never" || true
        kill -0 "$question" 2> /dev/null || continue 2
    done
    kill -KILL "$daemon"
    echo "watchdog: fapolicyd did not answer the kernel within 5 s and was killed" >&2
    exit 1
done
echo "fapolicyd ended" >&2
exit 1
