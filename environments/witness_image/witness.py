"""The witness: watches, from beside the engine, what really happens in the nodes. Runs in its own container.

It reads the kernel's process connector (netlink CN_PROC: every fork, exec and exit) and answers questions
about files, routes and counters of the nodes, so that neither the ground truth nor an oracle ever runs a
process inside a node, where a product would see it.

Speaks JSON lines: requests on stdin (`{"id": 1, "op": "...", ...}`), replies (`{"id": 1, ...}`) and events
(`{"ev": "fork" | "exec" | "exit" | "lost", ...}`) on stdout, in the order in which they happened.
Runs on the standard library of the image's Python alone.
"""

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import select
import signal
import socket
import stat
import struct
import sys
import time

import counters
import mirror
import numbering

# linux/connector.h, linux/cn_proc.h
NETLINK_CONNECTOR = 11
CN_IDX_PROC = 1
CN_VAL_PROC = 1
PROC_CN_MCAST_LISTEN = 1
FORK, EXEC, EXIT = 0x00000001, 0x00000002, 0x80000000
LOST = -1
"""Not the kernel's: events that it could not queue."""
BATCH = 256
NLMSG_HEADER = struct.Struct("=IHHII")
CN_HEADER = struct.Struct("=IIIIHH")
EVENT_HEADER = struct.Struct("=IIQ")
EVENTS_AT = NLMSG_HEADER.size + CN_HEADER.size
SIOCGIFADDR = 0x8915
CLONE_NEWNET = 0x40000000
TEXT_CAP = 4096
READ_CAP = 1 << 20
FACT_TIMEOUT_S = 10
DESCRIBED_CAP = 20_000
LAYER_CAP = 200_000
KINDS = {
    stat.S_IFREG: "file",
    stat.S_IFDIR: "folder",
    stat.S_IFLNK: "link",
    stat.S_IFIFO: "pipe",
    stat.S_IFSOCK: "socket",
}


def say(message):
    """One line out; os.write, because a half-written line would be taken for a whole one."""
    data = (json.dumps(message) + "\n").encode()
    while data:
        data = data[os.write(1, data) :]


class Truth:
    """The process trees under the pids that it was told to track."""

    def __init__(self):
        """Nothing is tracked yet."""
        self.socket = None
        self.tracked = {}  # pid -> root pid
        self.namespaces = {}  # root pid -> pid namespace
        self.numbers = {}  # pid namespace -> numbering.Numbers
        self.offset_ns = time.time_ns() - time.clock_gettime_ns(time.CLOCK_MONOTONIC)

    def listen(self):
        """Subscribe to the process connector; returns None, or why it can't be had."""
        try:
            self.socket = socket.socket(socket.AF_NETLINK, socket.SOCK_DGRAM, NETLINK_CONNECTOR)
            self.socket.setsockopt(socket.SOL_SOCKET, 33, 64 << 20)  # SO_RCVBUFFORCE
            self.socket.bind((0, CN_IDX_PROC))
            payload = struct.pack("=I", PROC_CN_MCAST_LISTEN)
            body = CN_HEADER.pack(CN_IDX_PROC, CN_VAL_PROC, 0, 0, len(payload), 0) + payload
            self.socket.send(NLMSG_HEADER.pack(NLMSG_HEADER.size + len(body), 3, 0, 0, 0) + body)
            self.socket.setblocking(False)
        except OSError as error:
            self.socket = None
            return str(error)
        return None

    def track(self, root):
        """Track a process, what it has started already, and all that it will start."""
        children = {}
        for name in os.listdir("/proc"):
            if name.isdigit():
                parent = status_of(int(name)).get("PPid")
                if parent:
                    children.setdefault(int(parent), []).append(int(name))
        found, queue = [], [root]
        while queue:
            pid = queue.pop()
            found.append(pid)
            self.tracked[pid] = root
            queue.extend(children.get(pid, ()))
        now = time.time_ns()
        self.namespaces[root] = namespace_of(root)
        for pid in found:
            parent = int(status_of(pid).get("PPid", 0))
            say({"ev": "fork", "pid": pid, "ppid": parent, "t": now, "npid": node_pid(pid), "root": root})
            self.executed(pid, now, look_at_process(pid))

    def drain(self):
        """Report everything that the kernel has queued.

        What an exec shows of a process is read at once, before anything else is done with the events that are queued:
        a program may be gone half a millisecond later.
        """
        while True:
            events = self.receive()
            for what, when, body, shown in events:
                self.report(what, when, body, shown)
            if len(events) < BATCH:
                return

    def receive(self):
        """The next events, at most BATCH: (what, UTC ns, data, image and arguments for an exec)."""
        events = []
        while self.socket is not None and len(events) < BATCH:
            try:
                data = self.socket.recv(1 << 16)
            except BlockingIOError:
                break
            except OSError as error:
                if error.errno != errno.ENOBUFS:
                    raise
                events.append((LOST, time.time_ns(), b"", None))
                continue
            if len(data) < EVENTS_AT + EVENT_HEADER.size:
                continue
            what, _cpu, monotonic = EVENT_HEADER.unpack_from(data, EVENTS_AT)
            body = data[EVENTS_AT + EVENT_HEADER.size :]
            shown = look_at_process(struct.unpack_from("=I", body)[0]) if what == EXEC else None
            events.append((what, monotonic + self.offset_ns, body, shown))
        return events

    def report(self, what, when, body, shown):
        """Report one event, if it is about a process that is tracked."""
        if what == LOST:
            say({"ev": "lost", "t": when})
        elif what == FORK:
            _ppid, parent, child, group = struct.unpack_from("=IIII", body)
            if parent not in self.tracked:
                return
            numbers = self.numbers.setdefault(self.namespaces.get(self.tracked[parent]), numbering.Numbers())
            if child != group:  # a thread is no process, but takes a number
                numbers.fork(parent, None, when, None)
                return
            self.tracked[child] = self.tracked[parent]
            number = node_pid(child)
            say({"ev": "fork", "pid": child, "ppid": parent, "t": when, "npid": number})
            for pid, began, found in numbers.fork(parent, child, when, number):
                say({"ev": "number", "pid": pid, "t": began, "npid": found})
        elif what == EXEC:
            (pid,) = struct.unpack_from("=I", body)
            if pid in self.tracked:
                self.executed(pid, when, shown)
        elif what == EXIT:
            pid, group, code, _signal = struct.unpack_from("=IIII", body)
            if pid == group and pid in self.tracked:
                self.numbers.setdefault(self.namespaces.get(self.tracked.pop(pid)), numbering.Numbers()).exited(pid)
                code = 128 + (code & 0x7F) if code & 0x7F else code >> 8
                say({"ev": "exit", "pid": pid, "code": code, "t": when})

    def executed(self, pid, when, shown):
        """Report the image and arguments of a process; None where it was gone too soon."""
        arguments, image = shown
        text = arguments.rstrip(b"\0").replace(b"\0", b" ").decode("utf-8", "backslashreplace") or None
        say({"ev": "exec", "pid": pid, "exe": image, "cmd": text, "t": when, "npid": node_pid(pid)})

    def kill(self, root):
        """Kill a tracked process and its descendants."""
        family = descendants(root)
        for pid in family:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        return {"killed": len(family)}


def look_at_process(pid):
    """(arguments, image) of a process, as fast as can be; (b"", None) if it is gone."""
    arguments, image = b"", None
    try:
        descriptor = os.open(f"/proc/{pid}/cmdline", os.O_RDONLY)
        try:
            arguments = os.read(descriptor, TEXT_CAP)
        finally:
            os.close(descriptor)
        image = os.readlink(f"/proc/{pid}/exe")
    except OSError:
        return arguments, image
    return arguments, image


def status_of(pid):
    """Fields of /proc/<pid>/status; empty if it is gone."""
    try:
        with open(f"/proc/{pid}/status", errors="replace") as file:
            return dict(line.rstrip("\n").split(":\t", 1) for line in file if ":\t" in line)
    except OSError:
        return {}


CAPABILITIES = (  # by number: linux/capability.h
    "CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID KILL SETGID SETUID SETPCAP LINUX_IMMUTABLE NET_BIND_SERVICE "
    "NET_BROADCAST NET_ADMIN NET_RAW IPC_LOCK IPC_OWNER SYS_MODULE SYS_RAWIO SYS_CHROOT SYS_PTRACE SYS_PACCT SYS_ADMIN "
    "SYS_BOOT SYS_NICE SYS_RESOURCE SYS_TIME SYS_TTY_CONFIG MKNOD LEASE AUDIT_WRITE AUDIT_CONTROL SETFCAP MAC_OVERRIDE "
    "MAC_ADMIN SYSLOG WAKE_ALARM BLOCK_SUSPEND AUDIT_READ PERFMON BPF CHECKPOINT_RESTORE"
)


def bounding_set(pid):
    """Names of the capabilities in a process's bounding set; KeyError if it is gone."""
    mask = int(status_of(pid)["CapBnd"], 16)
    return [name for number, name in enumerate(CAPABILITIES.split()) if mask >> number & 1]


def namespace_of(pid):
    """The pid namespace of a process; None if it is gone."""
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")
    except OSError:
        return None


def node_pid(pid):
    """The pid as the node itself sees it."""
    numbers = status_of(pid).get("NSpid", "").split()
    return int(numbers[-1]) if numbers else None


def descendants(root):
    """A process and all below it, by the parents that /proc names now."""
    parents = {}
    for name in os.listdir("/proc"):
        if name.isdigit():
            parents[int(name)] = int(status_of(int(name)).get("PPid") or 0)
    family, grown = {root}, True
    while grown:
        more = {pid for pid, parent in parents.items() if parent in family} - family
        family |= more
        grown = bool(more)
    return sorted(family)


def in_child(work):
    """Run `work` in a child, because it enters a node's root or network; returns its result."""
    return finish(begin(work))


def begin(work):
    """Start `work` in a child. A pattern that never ends, written into a plan, dies with the child."""
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(reader)
        signal.alarm(FACT_TIMEOUT_S)
        try:
            answer = work()
        except OSError as error:
            answer = {"error": f"{error.strerror}: {error.filename or ''}"}
        except (KeyError, ValueError) as error:
            answer = {"error": f"{type(error).__name__}: {error}"}
        with os.fdopen(writer, "wb") as file:  # an answer may be larger than the pipe
            file.write(json.dumps(answer).encode())
        os._exit(0)
    os.close(writer)
    return child, reader


def finish(started):
    """The result of a child's work."""
    child, reader = started
    with os.fdopen(reader, "rb") as file:
        data = file.read()
    _pid, code = os.waitpid(child, 0)
    return json.loads(data) if data else {"error": f"no answer (wait status {code})"}


def look_at_facts(request):
    """Answer file facts in the root of a node."""

    def work():
        os.chroot(f"/proc/{request['pid']}/root")
        os.chdir("/")
        return {"facts": [look(fact) for fact in request["facts"]]}

    return in_child(work)


def look(fact):
    """One file fact: [does it hold, what was seen]."""
    path = fact["file"]
    try:
        state = os.lstat(path)
    except OSError as error:
        return [bool(fact.get("absent")), os.strerror(error.errno)]
    if fact.get("absent"):
        return [False, "it exists"]
    seen = f"mode {state.st_mode & 0o7777:04o}, owner {state.st_uid}, {state.st_size} bytes"
    if fact.get("mode") is not None and state.st_mode & 0o7777 != int(fact["mode"], 8):
        return [False, seen]
    if fact.get("owner") is not None and state.st_uid != fact["owner"]:
        return [False, seen]
    if fact.get("empty") is not None and (state.st_size == 0) != fact["empty"]:
        return [False, seen]
    if fact.get("modified_before_ns") is not None and state.st_mtime_ns >= fact["modified_before_ns"]:
        return [False, f"{seen}, modified {state.st_mtime_ns} ns"]
    if fact.get("contains") is not None or fact.get("lacks") is not None:
        return look_inside(fact, path, seen)
    return [True, seen]


def look_inside(fact, path, seen):
    """The part of a file fact that is about its content."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
    except PermissionError as error:  # a product that keeps everybody from opening it (fanotify)
        return [False, f"{seen}, {os.strerror(error.errno)}"]
    try:
        content = os.read(descriptor, READ_CAP)
    finally:
        os.close(descriptor)
    text = content.decode("utf-8", "backslashreplace")
    seen = f"{seen}, sha256 of the head {hashlib.sha256(content).hexdigest()[:16]}"
    for key, wanted in (("contains", True), ("lacks", False)):
        if fact.get(key) is not None and bool(re.search(fact[key], text, re.MULTILINE)) != wanted:
            return [False, seen]
    return [True, seen]


def describe(request):
    """What stands at paths, and below folders, in the root of a node."""

    def work():
        os.chroot(f"/proc/{request['pid']}/root")
        os.chdir("/")
        found = {}
        for path in request["paths"]:
            note(path, found)
        for folder in request["folders"]:
            for place, _folders, files in os.walk(folder):
                note(place, found)
                for name in files:
                    note(os.path.join(place, name), found)
                if len(found) > DESCRIBED_CAP:
                    break
        return {"found": found}

    return in_child(work)


def layer(request):
    """What a container has written over its image: [paths there now, paths gone now].

    In overlayfs's upper folder a deleted path is a character device 0:0; a folder that replaced the image's is marked
    opaque (Linux, Documentation/filesystems/overlayfs.rst).
    """
    top = counters.GRAPH + request["folder"]
    changed, deleted = [], []
    for place, folders, files in os.walk(top):
        inside = place[len(top) :]
        for name in (*folders, *files):
            state = os.lstat(os.path.join(place, name))
            gone = stat.S_ISCHR(state.st_mode) and state.st_rdev == 0
            (deleted if gone else changed).append(f"{inside}/{name}")
        if len(changed) > LAYER_CAP:
            break
    return {"changed": changed, "deleted": deleted}


def modes(request):
    """Type, mode, owner, group, size and time of everything in a node's root, but for what the kernel shows there."""

    def work():
        os.chroot(f"/proc/{request['pid']}/root")
        found = {}
        for place, folders, files in os.walk("/"):
            if place == "/":
                folders[:] = [name for name in folders if name not in ("proc", "sys", "dev")]
            for name in (*folders, *files):
                path = os.path.join(place, name)
                try:
                    state = os.lstat(path)
                except OSError:
                    continue
                kind = KINDS.get(stat.S_IFMT(state.st_mode), "other")
                found[path] = [
                    kind, stat.S_IMODE(state.st_mode), state.st_uid, state.st_gid, state.st_size, state.st_mtime_ns
                ]  # fmt: skip
        return {"found": found}

    return in_child(work)


def note(path, found):
    """Describe one path, if something stands there."""
    try:
        state = os.lstat(path)
        kind = stat.S_IFMT(state.st_mode)
        content = None
        if kind == stat.S_IFLNK:
            content = os.readlink(path)
        elif kind == stat.S_IFREG:
            content = hashlib.sha256(head(path)).hexdigest()
    except OSError:
        return
    found[path] = [
        KINDS.get(kind, "other"), stat.S_IMODE(state.st_mode), state.st_uid, state.st_gid, state.st_size,
        state.st_mtime_ns, content,
    ]  # fmt: skip


def head(path):
    """The first MiB of a file."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    try:
        return os.read(descriptor, READ_CAP)
    finally:
        os.close(descriptor)


def text_of(request):
    """A small text file of a node; None if it is not there."""

    def work():
        os.chroot(f"/proc/{request['pid']}/root")
        try:
            return {"text": head(request["path"]).decode("utf-8", "backslashreplace")}
        except OSError:
            return {"text": None}

    return in_child(work)


def sockets(pid):
    """Sockets of a node's network, in words."""
    found = set()
    for protocol in ("tcp", "tcp6", "udp", "udp6"):
        try:
            with open(f"/proc/{pid}/net/{protocol}") as file:
                rows = [line.split() for line in file.readlines()[1:]]
        except OSError:
            continue
        for row in rows:
            here, there = readable(row[1]), readable(row[2])
            if there.endswith(":0"):
                found.add(f"listens {protocol[:3]} {here}")
            else:
                found.add(f"connection {protocol[:3]} {here} {there}")
    return sorted(found)


def readable(text):
    """`0100007F:0016` -> `127.0.0.1:22`."""
    address, port = text.split(":")
    words = [bytes.fromhex(address)[at : at + 4][::-1] for at in range(0, len(address) // 2, 4)]
    family = socket.AF_INET if len(words) == 1 else socket.AF_INET6
    return f"{socket.inet_ntop(family, b''.join(words))}:{int(port, 16)}"


def host_addresses():
    """IPv4 addresses of the engine host (the witness is on its network)."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        for _index, name in socket.if_nameindex():
            try:
                packed = fcntl.ioctl(probe.fileno(), SIOCGIFADDR, struct.pack("256s", name[:15].encode()))
            except OSError:
                continue
            found.append(socket.inet_ntoa(packed[20:24]))
    return {"addresses": found}


class Reach:
    """Tries, from the networks of all nodes at once, to reach addresses. Others are answered meanwhile.

    Any answer at all, even a refusal, is a way out.
    """

    def __init__(self, request):
        """Start trying."""
        self.number = request["id"]
        self.left = {}  # descriptor -> (node, child, what came so far)
        self.nodes = {}
        self.answers = {}
        for name, pid in request["pids"].items():
            child, reader = begin(lambda pid=pid: probe(pid, request))
            self.left[reader] = (name, child, bytearray())

    def read(self, descriptor):
        """Take what came from one node's child; True when all nodes have answered."""
        name, child, data = self.left[descriptor]
        more = os.read(descriptor, 1 << 16)
        if more:
            data += more
            return False
        os.close(descriptor)
        del self.left[descriptor]
        _pid, code = os.waitpid(child, 0)
        self.nodes[name] = json.loads(data) if data else {"error": f"no answer (wait status {code})"}
        self.answers = {"answers": self.nodes}
        return not self.left


def probe(pid, request):
    """Try to reach addresses from one node's network: address and port -> what came back."""
    descriptor = os.open(f"/proc/{pid}/ns/net", os.O_RDONLY)
    os.setns(descriptor, CLONE_NEWNET)
    waiting, answers = {}, {}
    for address, port in request["targets"]:
        attempt = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        attempt.setblocking(False)
        code = attempt.connect_ex((address, port))
        if code == errno.EINPROGRESS:
            waiting[attempt] = f"{address}:{port}"
        else:
            answers[f"{address}:{port}"] = errno.errorcode.get(code, str(code)) if code else "CONNECTED"
    deadline = time.monotonic() + request["timeout_s"]
    while waiting and time.monotonic() < deadline:
        _r, ready, _x = select.select([], list(waiting), [], max(0, deadline - time.monotonic()))
        for attempt in ready:
            code = attempt.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)
            answers[waiting.pop(attempt)] = errno.errorcode.get(code, str(code)) if code else "CONNECTED"
    answers.update({name: "no answer" for name in waiting.values()})
    return answers


UNANSWERABLE = (OSError, KeyError, ValueError, mirror.Failed)
"""What answering may raise, e.g. when a node goes down while it is looked at."""
LATER = {"weigh": counters.weigh, "read_files": counters.read_files}
"""What may take long: done in a child, while others are answered."""


class Later:
    """One question that a child answers."""

    def __init__(self, request):
        """Start it."""
        self.number = request["id"]
        self.child, reader = begin(lambda: LATER[request["op"]](request))
        self.left = {reader: bytearray()}
        self.answers = {}

    def read(self, descriptor):
        """Take what came; True when that was all."""
        more = os.read(descriptor, 1 << 20)
        if more:
            self.left[descriptor] += more
            return False
        os.close(descriptor)
        data = self.left.pop(descriptor)
        _pid, code = os.waitpid(self.child, 0)
        self.answers = json.loads(data) if data else {"error": f"no answer (wait status {code})"}
        return True


def answer(truth, request):
    """One reply."""
    operation = request["op"]
    if operation == "track" and request["pid"] <= 1:
        return {"error": "pid 1 and below are the engine host's own"}
    if operation == "track":
        truth.track(request["pid"])
        return {}
    if operation == "sync":
        return {}
    if operation == "kill":
        return truth.kill(request["pid"])
    if operation == "describe":
        return describe(request)
    if operation == "layer":
        return layer(request)
    if operation == "modes":
        return modes(request)
    if operation == "text":
        return text_of(request)
    if operation == "sockets":
        return {"sockets": sockets(request["pid"])}
    if operation == "space":
        state = os.statvfs(f"/proc/{request['pid']}/root")
        return {"free": state.f_bavail * state.f_frsize}
    if operation == "bounding_set":
        return {"capabilities": bounding_set(request["pid"])}
    if operation == "facts":
        return look_at_facts(request)
    if operation == "host_addresses":
        return host_addresses()
    if operation == "mirror":
        return mirror.connect(request["bridge"], request["pid"])
    if operation == "unmirror":
        return mirror.remove(request["name"])
    if operation == "usage":
        return counters.usage(request)
    return {"error": f"unknown operation {operation!r}"}


def main():
    """Serve until stdin closes."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    with contextlib.suppress(OSError):  # without it only the shortest processes lose their command lines
        os.setpriority(os.PRIO_PROCESS, 0, -20)
    truth = Truth()
    say({"ev": "ready", "missing": truth.listen()})
    buffer = b""
    trying = {}  # descriptor -> Reach
    while True:
        sources = [0] if truth.socket is None else [0, truth.socket]
        ready, _w, _x = select.select([*sources, *trying], [], [])
        truth.drain()
        for descriptor in [one for one in ready if one in trying]:
            attempt = trying.pop(descriptor)
            if attempt.read(descriptor):
                say({"id": attempt.number, **attempt.answers})
            elif descriptor in attempt.left:
                trying[descriptor] = attempt
        if 0 not in ready:
            continue
        data = os.read(0, 1 << 16)
        if not data:
            return
        buffer += data
        *lines, buffer = buffer.split(b"\n")
        for line in lines:
            request = json.loads(line)
            if request["op"] == "reach" or request["op"] in LATER:
                attempt = Reach(request) if request["op"] == "reach" else Later(request)
                trying.update(dict.fromkeys(attempt.left, attempt))
                continue
            try:
                reply = answer(truth, request)
            except (
                OSError,
                KeyError,
                ValueError,
                mirror.Failed,
            ) as error:  # a node that went down while it was looked at
                reply = {"error": f"{type(error).__name__}: {error}"}
            truth.drain()  # whatever happened before the reply is reported before it
            say({"id": request["id"], **reply})


if __name__ == "__main__":
    main()
