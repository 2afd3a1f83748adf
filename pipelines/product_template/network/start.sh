#!/bin/sh
# FILL IN / 記入: start your product in the foreground. Until then: one alert for each odd web request, as JSON.
trap 'trap - TERM; kill 0' TERM # told to end: so do all parts of it / 終了の指示を全プロセスに伝える
tcpdump -i any -Z root -l -n -A -s 400 'tcp dst port 80' 2> /dev/null | jq --unbuffered -Rc '
  select(test("(GET|POST) /.*(\\.\\./|passwd|<script|canary-)"))
  | {time: now, rule: "odd-request", title: capture("(?<line>(GET|POST) /.*)").line}' &
wait
