"""Sends requests byte for byte, each over a connection of its own from a port of its own. Runs in a node.

    python3 waf_sender.py REQUESTS ANSWERS HOST PORT FIRST_PORT THREADS

REQUESTS has one JSON object a line: a `group` (sent in order, by one thread) with its `requests` (Base64). ANSWERS gets
one a request: the group, the number in it, the local port, the status (or what went wrong) and the answer's beginning.
"""

import base64
import contextlib
import http.client
import itertools
import json
import queue
import socket
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import TextIO

TIMEOUT_S = 20
HEAD = 2048


def send(data: bytes, place: tuple[str, int], port: int) -> tuple[int | None, str | None, bytes]:
    """(status, None, head of the answer) or (None, what went wrong, head)."""
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        connection.bind(("", port))
        connection.settimeout(TIMEOUT_S)
        try:
            connection.connect(place)
            with contextlib.suppress(OSError):  # refused while it is still sent: an answer may be there all the same
                connection.sendall(data)
            answer = http.client.HTTPResponse(connection, method=data.split(b" ", 1)[0].decode("latin-1"))
            answer.begin()
            head = answer.read(HEAD)
            while answer.read(65536):
                pass
            return answer.status, None, head
        except (OSError, http.client.HTTPException) as error:
            return None, type(error).__name__, b""


def work(groups: queue.Queue, ports: Iterator[int], place: tuple[str, int], lock: threading.Lock, out: TextIO) -> None:
    """Send group after group until none is left."""
    while True:
        try:
            group = groups.get_nowait()
        except queue.Empty:
            return
        for number, text in enumerate(group["requests"]):
            with lock:
                port = next(ports)
            status, wrong, head = send(base64.b64decode(text), place, port)
            row = {"group": group["group"], "number": number, "port": port, "status": status, "wrong": wrong,
                   "head": head.decode("latin-1")}  # fmt: skip
            with lock:
                out.write(json.dumps(row) + "\n")


def main() -> None:
    """Send everything."""
    source, target, host, port, first, threads = sys.argv[1:]
    groups = queue.Queue()
    with Path(source).open() as lines:
        for line in lines:
            groups.put(json.loads(line))
    place = (socket.gethostbyname(host), int(port))
    with Path(target).open("w") as out:
        given = (groups, itertools.count(int(first)), place, threading.Lock(), out)
        workers = [threading.Thread(target=work, args=given) for _ in range(int(threads))]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()


if __name__ == "__main__":
    main()
