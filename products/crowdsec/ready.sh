#!/bin/sh
# Ready: crowdsec reads its logs, and in the tuned arm the bouncer has asked for decisions.
set -eu
grep -q 'Starting processing data' /var/log/crowdsec.log
[ "$(cat /run/crowdsec.settings)" != tuned ] || grep -q 'Processing new and deleted decisions' /var/log/crowdsec-firewall-bouncer.log
