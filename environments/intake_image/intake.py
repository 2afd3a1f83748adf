"""The intake: takes a product's alerts, inside the product's own network namespace. Runs in its own container.

It listens there for syslog and webhooks and asks the product's HTTP API, so that the product needs no network and
none of its bytes reaches the engine host but through this program's stdout. It opens copies of the product's SQLite
databases, so that no database that a product has written is opened outside a container.

Hears JSON lines on stdin: first the settings, then requests (`{"id": 1, "op": "http", ...}`). Says frames on stdout:
a header (see FRAME) and the bytes that it announces. Runs on the standard library of the image's Python alone.
"""

import json
import os
import struct
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import poll_intake
import syslog_intake
import webhook_intake

FRAME = struct.Struct(">BxHIQ")
"""Kind, number of the receiver, bytes that follow, receipt (UTC ns)."""
REPLY, RECORD, REFUSED, LOST = 0, 1, 2, 3
"""LOST: the kernel had no room for so many datagrams (the number is the data)."""
WORKERS = 4

_writing = threading.Lock()


def say(kind, receiver, data):
    """One frame out; a frame of another thread never comes between."""
    whole = FRAME.pack(kind, receiver, len(data), time.time_ns()) + data
    with _writing:
        while whole:
            whole = whole[os.write(1, whole) :]


def main():
    """Listen as the settings say, then answer requests until stdin closes."""
    # os._exit, because a thread that waits for a product must not hold up the end.
    settings = json.loads(sys.stdin.buffer.readline() or os._exit(0))
    for receiver in settings["syslog"]:
        syslog_intake.listen(receiver, settings["tls"], say, RECORD, REFUSED, LOST)
    for receiver in settings["webhooks"]:
        webhook_intake.listen(receiver, say, RECORD, REFUSED)
    say(REPLY, 0, json.dumps({"id": 0}).encode())
    with ThreadPoolExecutor(WORKERS) as pool:
        for line in sys.stdin.buffer:
            pool.submit(answer, json.loads(line))
        os._exit(0)


def answer(request):
    """Answer one request; whatever the product did wrong is words in the answer, never the end of this program."""
    try:
        reply = poll_intake.OPERATIONS[request["op"]](request)
    except poll_intake.FAILURES as error:
        reply = {"error": f"{type(error).__name__}: {str(error)[:300]}"}
    say(REPLY, 0, json.dumps({"id": request["id"], **reply}).encode())


if __name__ == "__main__":
    main()
