#!/bin/sh
# FILL IN / 記入: start your product in the foreground. Until then: follow a log, one alert a line, as JSON.
trap 'trap - TERM; kill 0' TERM # told to end: so do all parts of it / 終了の指示を全プロセスに伝える
tail -n 0 -s 0.1 -F /var/log/auth.log 2> /dev/null | jq --unbuffered -Rc '
  select(test("Failed password|session opened|canary"))
  | {time: now, rule: (if test("canary") then "canary" elif test("Failed") then "failed-login" else "login" end), title: .}' &
wait
