#!/bin/sh
grep -q 'Engine started' /var/log/suricata/suricata.log
