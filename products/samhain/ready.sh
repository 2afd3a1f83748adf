#!/bin/sh
# Ready: the first comparison with the database is through.
grep -q 'File check completed' /var/log/samhain/samhain.log
