#!/bin/sh
# FILL IN / 記入: start your product in the foreground. Until then: follow a log, one alert a line, as JSON.
tail -n 0 -F /var/log/auth.log 2> /dev/null | exec jq --unbuffered -Rc '
  select(test("Failed password|session opened|canary"))
  | {time: now, rule: (if test("canary") then "canary" elif test("Failed") then "failed-login" else "login" end), title: .}'
