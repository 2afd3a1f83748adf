#!/usr/bin/python3
"""A small but real collector: each datagram that it receives becomes an alert, told in every way there is.

Its files are rotated all the time; its webhook is tried with a wrong secret, too.
"""

import base64
import ctypes
import http.client
import http.server
import json
import os
import pathlib
import signal
import socket
import sqlite3
import ssl
import stat
import sys
import threading
import time
import urllib.parse

FOLDER = pathlib.Path("/var/lib/small")
LIMITS = ("memory/memory.limit_in_bytes", "memory.max", "cgroup.procs")
"""Of control groups, version 1 and version 2."""
told = []


class Api(http.server.BaseHTTPRequestHandler):
    """All alerts so far, for who knows the key."""

    def do_GET(self):
        allowed = self.headers["X-Key"] == os.environ["API_KEY"]
        data = json.dumps({"page": {"items": told}}).encode() if allowed else b"who are you?"
        self.send_response(200 if allowed else 403)
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        pass


def rename_and_create(alert):
    path = FOLDER / "rotated.log"
    with path.open("a") as file:
        file.write(json.dumps(alert) + "\n")
    path.rename(FOLDER / "rotated.log.1")
    path.touch()


def copy_and_truncate(alert):
    path = FOLDER / "truncated.log"
    with path.open("a") as file:
        file.write(json.dumps(alert) + "\n")
    time.sleep(0.5)
    (FOLDER / "truncated.log.1").write_text(path.read_text())
    os.truncate(path, 0)


def write_anew(_alert):
    path = FOLDER / "state.json"
    path.with_suffix(".new").write_text(json.dumps({"alerts": told}))
    path.with_suffix(".new").rename(path)


def as_message(alert):
    return f"<13>1 2026-01-01T00:00:00Z collector small - - - {json.dumps(alert)}".encode()


def over_udp(alert):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.sendto(as_message(alert), ("127.0.0.1", 5514))


def over_tcp(alert):
    """Both framings of RFC 6587, by turns."""
    message = as_message(alert)
    framed = b"%d %s" % (len(message), message) if len(told) % 2 else message + b"\n"
    with socket.create_connection(("127.0.0.1", 5515)) as sock:
        sock.sendall(framed)


def over_tls(alert):
    context = ssl.create_default_context(cafile=os.environ["CA"])
    with (
        socket.create_connection(("127.0.0.1", 6514)) as sock,
        context.wrap_socket(sock, server_hostname="localhost") as safe,
    ):
        message = as_message(alert)
        safe.sendall(b"%d %s" % (len(message), message))


def post(alert):
    body = json.dumps({"events": [alert]})
    for secret in ("Bearer wrong", os.environ["HOOK"], None):
        connection = http.client.HTTPConnection("127.0.0.1", 8088)
        headers = {"Authorization": secret} if secret else {}
        connection.request("POST", "/alerts", body, headers)
        status = connection.getresponse().status
        if (status == 204) != (secret == os.environ["HOOK"]):
            raise SystemExit(f"the webhook answered {status} to {secret}")


def insert(alert):
    """Each third time into a database made anew, whose numbers begin again."""
    path = FOLDER / "alerts.db"
    if len(told) % 3 == 0:
        for part in ("", "-wal", "-shm"):
            path.with_name(path.name + part).unlink(missing_ok=True)
    database = sqlite3.connect(path)
    database.execute("PRAGMA journal_mode = WAL")
    database.execute("CREATE TABLE IF NOT EXISTS alert (number INTEGER PRIMARY KEY, text TEXT, time REAL)")
    database.execute("INSERT INTO alert (text, time) VALUES (?, ?)", (alert["text"], alert["time"]))
    database.commit()
    kept.append(database)  # never closed, so that the row stays in the write-ahead log


kept = []


def leak(alert):
    """Say the key in every way to everybody, and the second time die with it on the lips."""
    key = os.environ["API_KEY"]
    encoded = base64.b64encode(f"key={key};".encode()).decode()
    said = f"{key} {encoded} {urllib.parse.quote(key, safe='')} {key.encode().hex()} {json.dumps(key)}"
    if len(told) > 1:
        raise SystemExit(f"died with {said}")
    print(f"no JSON, but {said}", flush=True)
    print(json.dumps(alert | {"text": f"{alert['text']} {said}"}), flush=True)
    print(f"to stderr {said}", file=sys.stderr, flush=True)


def fill(_alert):
    """Write without end, half of it into a file that nobody can see."""
    hidden = (FOLDER / "hidden").open("wb")
    (FOLDER / "hidden").unlink()
    with (FOLDER / "seen").open("wb") as file:
        while True:
            for one in (file, hidden):
                one.write(bytes(1 << 20))
                one.flush()
            time.sleep(0.01)


def grab(_alert):
    """Fork until it is refused; and let a child take memory until it is killed."""
    children = []
    try:
        while True:
            child = os.fork()
            if child == 0:
                time.sleep(60)
                os._exit(0)
            children.append(child)
    except OSError:
        for child in children:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    child = os.fork()
    if child == 0:
        taken = []
        while True:
            taken.append(b"x" * (8 << 20))
    os.waitpid(child, 0)


def connects(family, address):
    """Whether anybody answers there, be it with a refusal."""
    with socket.socket(family, socket.SOCK_STREAM) as sock:
        sock.settimeout(0.5)
        try:
            sock.connect(address)
        except ConnectionRefusedError:
            return True
        except OSError:
            return False
        return True


def called(name, *arguments):
    """Whether the kernel does it."""
    return ctypes.CDLL(None, use_errno=True)[name](*arguments) == 0


def opened(path, flags):
    """Whether it can be opened."""
    try:
        os.close(os.open(path, flags))
    except OSError:
        return False
    return True


def raw_socket():
    """Whether it may send frames of its own making."""
    try:
        socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close()
    except OSError:
        return False
    return True


def device():
    """Whether it can make the engine host's disk for itself and read it."""
    try:
        os.mknod("/tmp/disk", 0o600 | stat.S_IFBLK, os.makedev(254, 0))
    except OSError:
        return False
    return opened("/tmp/disk", os.O_RDONLY)


def reach(alert):
    """Try every way out, and tell which one was open."""
    own = socket.gethostbyname(socket.gethostname())
    tries = {
        "the engine's socket": lambda: connects(socket.AF_UNIX, "/var/run/docker.sock"),
        "containerd's socket": lambda: connects(socket.AF_UNIX, "/run/containerd/containerd.sock"),
        "the network's first address": lambda: connects(socket.AF_INET, (own.rpartition(".")[0] + ".1", 22)),
        "the engine's default bridge": lambda: connects(socket.AF_INET, ("172.17.0.1", 22)),
        "a mount": lambda: called("mount", b"none", b"/mnt", b"tmpfs", 0, None),
        "a user namespace": lambda: called("unshare", 0x10000000),
        "a mount namespace": lambda: called("unshare", 0x00020000),
        "the host's clock": lambda: called("clock_settime", 0, ctypes.byref((ctypes.c_long * 2)(1_790_000_000, 0))),
        "frames": raw_socket,
        "the host's disk": device,
        "kernel settings": lambda: opened("/proc/sys/kernel/core_pattern", os.O_WRONLY),
        "the host's memory": lambda: opened("/dev/mem", os.O_RDONLY) or opened("/proc/kcore", os.O_RDONLY),
        "control groups": lambda: any(opened(f"/sys/fs/cgroup/{limit}", os.O_WRONLY) for limit in LIMITS),
        "other processes": lambda: any(
            b"dockerd" in one.read_bytes() for one in pathlib.Path("/proc").glob("[0-9]*/comm")
        ),
    }
    found = [name for name, attempt in tries.items() if attempt()]
    words = {"number": 0, "time": time.time(), "product": "fail2ban", "container_id": "f" * 64, "pid": 1}
    print(json.dumps(words | {"text": f"tried {len(tries)} ways, open: {found}"}), flush=True)
    # A forgery: an alert that would have been another product's, on a trial that is not its own.
    print(json.dumps(words | {"text": "the other product missed everything", "time": 1.0}), flush=True)


MODES = {
    "reaches": (reach,),
    "leaks": (leak,),
    "fills": (fill,),
    "grabs": (grab,),
    "good": (rename_and_create, write_anew, over_udp, over_tcp, over_tls, post, insert, copy_and_truncate),
}


def main():
    FOLDER.mkdir(exist_ok=True)
    for name in ("rotated.log", "truncated.log"):
        (FOLDER / name).touch()
    threading.Thread(target=http.server.HTTPServer(("127.0.0.1", 9000), Api).serve_forever, daemon=True).start()
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("", 514))
    (FOLDER / "version").write_text(f"1.2.3 {os.environ['API_KEY']}" if os.environ["MODE"] == "leaks" else "1.2.3")
    (FOLDER / "ready").touch()
    while True:
        text = sock.recv(4096).decode().strip()
        alert = {"number": len(told) + 1, "time": time.time(), "text": text}
        told.append(alert)
        if os.environ["MODE"] != "leaks":
            print(json.dumps(alert), flush=True)
        with (FOLDER / "all.jsonl").open("a") as file:
            file.write(json.dumps(alert) + "\n")
        for act in MODES[os.environ["MODE"]]:
            act(alert)


main()
