#!/bin/sh
# FILL IN / 記入: start your product in the foreground. Until then: one alert for each odd web request, as JSON.
tcpdump -i any -Z root -l -n -A -s 400 'tcp dst port 80' 2> /dev/null | exec jq --unbuffered -Rc '
  select(test("(GET|POST) /.*(\\.\\./|passwd|<script|canary-)"))
  | {time: now, rule: "odd-request", title: capture("(?<line>(GET|POST) /.*)").line}'
