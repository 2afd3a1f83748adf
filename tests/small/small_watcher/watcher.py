#!/usr/bin/python3
"""A small but real network sensor: one alert for each frame with a word in it. Says something into the network, too."""

import json
import os
import pathlib
import re
import socket
import sys
import time

interface = sys.argv[1]
tap = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(3))
if interface != "any":
    tap.bind((interface, 0))
if interface == "mirror0":
    payload = b"\xff" * 6 + b"\x02" + b"\0" * 5 + b"\x08\x00" + b"said-by-the-sensor".ljust(60)
    tap.send(payload)
pathlib.Path("/run/watching").touch()
while True:
    frame, (_name, _protocol, kind, *_rest) = tap.recvfrom(1 << 16)
    if kind == socket.PACKET_OUTGOING and interface == "mirror0":
        continue
    for word in re.findall(rb"word-[a-z]{8}", frame):
        print(json.dumps({"time": time.time(), "word": word.decode(), "pid": os.getpid()}), flush=True)
