#!/bin/sh
# FILL IN / 記入: start your product in the foreground. Until then: rsyslog writes an alert for each odd line, as JSON.
exec rsyslogd -n -f /opt/[[ id ]]/rules.conf -i /run/[[ id ]].pid
