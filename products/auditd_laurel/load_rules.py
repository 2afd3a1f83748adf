"""Loads the rule files that Debian's auditd package ships, so that they watch a node instead of the engine host.

Runs in the sensor's container. The kernel resolves a watched path in the mount namespace of whoever loads the
rule, and refuses directory rules from any other namespace. So each shipped line is turned into the kernel's form
by auditctl itself, unchanged, read back, and then loaded once more from inside the node's mount namespace.

No rule is ours, except where asked the kernel's records of program starts and of files opened for creation by
logged-in users, which Sigma's `process_creation` and `file_event` presuppose. They alert on nothing by themselves.

    load_rules.py NODE_PID RULE_FILE... [--sigma]
"""

import os
import re
import socket
import stat
import struct
import subprocess
import sys

SHIPPED = "/usr/share/doc/auditd/examples/audit-rules"
NOTES = "/run/notes/rules.txt"
PRIVILEGED = "31-privileged.rules"
PRIVILEGED_FOLDERS = ("/usr/bin", "/usr/sbin")
PRESUPPOSED = (
    "-a always,exit -F arch=b64 -S execve,execveat -F key=process_creation",
    "-a always,exit -F arch=b32 -S execve,execveat -F key=process_creation",
    "-a always,exit -F arch=b64 -S openat -F a2&0x40 -F success=1 -F auid!=unset -F key=file_event",
    "-a always,exit -F arch=b64 -S open -F a1&0x40 -F success=1 -F auid!=unset -F key=file_event",
    "-a always,exit -F arch=b64 -S creat -F success=1 -F auid!=unset -F key=file_event",
)
"""0x40 is O_CREAT."""
PATH = re.compile(r"(?:-F (path|dir)=|-w )(/\S*)")

# linux/netlink.h, linux/audit.h
NETLINK_AUDIT, NLMSG_ERROR, NLMSG_DONE = 9, 2, 3
REQUEST, ACK = 1, 4
ADD_RULE, DELETE_RULE, LIST_RULES = 1011, 1012, 1013
HEADER = struct.Struct("=IHHII")
CLONE_NEWNS = 0x00020000


class Kernel:
    """The kernel's audit interface."""

    def __init__(self):
        """Open it; rights are checked with each request."""
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW, NETLINK_AUDIT)
        self._socket.bind((0, 0))

    def ask(self, kind, payload=b""):
        """Send one request: (0 or the error number, every reply's payload)."""
        flags = REQUEST | ACK
        self._socket.sendto(HEADER.pack(HEADER.size + len(payload), kind, flags, 1, 0) + payload, (0, 0))
        # A list ends with DONE; its acknowledgement may come before or after it.
        replies, awaited, code = [], {NLMSG_ERROR} | ({NLMSG_DONE} if kind == LIST_RULES else set()), 0
        while awaited:
            data = self._socket.recv(1 << 16)
            length, reply, _flags, _sequence, _pid = HEADER.unpack_from(data)
            if reply == NLMSG_ERROR:
                code = -struct.unpack_from("=i", data, HEADER.size)[0]
                if code:
                    return code, replies
            elif reply == LIST_RULES:
                replies.append(data[HEADER.size : length])
            awaited.discard(reply)
        return code, replies


def main(arguments):
    """Load everything and write down what became of it."""
    node_pid = int(arguments[0])
    files = [name for name in arguments[1:] if not name.startswith("--")]
    kernel = Kernel()
    subprocess.run(["auditctl", "-e", "0"], capture_output=True, check=True)
    subprocess.run(["auditctl", "-D"], capture_output=True, check=True)
    rules, refused = [], {}
    for name in files:
        for line in lines_of(name, node_pid):
            compile_rule(kernel, line, rules, refused)
    if "--sigma" in arguments:
        for line in PRESUPPOSED:
            compile_rule(kernel, line, rules, refused)
    os.makedirs(os.path.dirname(NOTES), exist_ok=True)
    with open(NOTES, "w") as notes:  # before the move: afterwards paths are the node's
        namespace = os.open(f"/proc/{node_pid}/ns/mnt", os.O_RDONLY)
        os.setns(namespace, CLONE_NEWNS)
        loaded = 0
        for line, rule in rules:
            code, _replies = kernel.ask(ADD_RULE, rule)
            loaded += not code
            if code:
                refused.setdefault(f"{os.strerror(code)} in the node", []).append(line)
        write_notes(notes, files, loaded, refused)


def lines_of(name, node_pid):
    """The lines of a shipped rule file."""
    if name == PRIVILEGED:
        yield from privileged(f"/proc/{node_pid}/root")
        return
    with open(os.path.join(SHIPPED, os.path.basename(name))) as file:
        for line in file:
            if line.strip() and not line.startswith("#"):
                yield line.strip()


def compile_rule(kernel, line, rules, refused):
    """Let auditctl turn one line into the kernel's form; settings, such as the size of buffers, stay in force."""
    watched = PATH.search(line)
    if watched:
        # auditctl loads the rule here for a moment, and the kernel wants the folder to exist.
        folder = watched.group(2) if watched.group(1) == "dir" else os.path.dirname(watched.group(2))
        os.makedirs(folder, exist_ok=True)
    done = subprocess.run(["auditctl", *line.split()], capture_output=True, text=True, check=False)
    _code, found = kernel.ask(LIST_RULES)
    for rule in found:
        kernel.ask(DELETE_RULE, rule)
        rules.append((line, rule))
    if line.startswith(("-a", "-A", "-w")) and not found:
        why = [text.strip() for text in done.stderr.splitlines() if text.strip()]
        refused.setdefault(why[0][:120] if why else "auditctl gave no reason", []).append(line)


def privileged(root):
    """What 31-privileged.rules says to generate: a rule for each set-user-id program of the node, for both ABIs."""
    for folder in PRIVILEGED_FOLDERS:
        for entry in sorted(os.scandir(root + folder), key=lambda item: item.name):
            mode = entry.stat(follow_symlinks=False).st_mode
            if stat.S_ISREG(mode) and mode & stat.S_ISUID:
                for bits in (64, 32):
                    yield (
                        f"-a always,exit -F arch=b{bits} -F path={folder}/{entry.name} -F perm=x "
                        "-F auid>=1000 -F auid!=unset -F key=privileged"
                    )


def write_notes(notes, files, loaded, refused):
    """One line for the result's notes, then every refused rule for a person."""
    short = "".join(f"; {len(lines)} refused ({why})" for why, lines in refused.items())
    total = loaded + sum(len(lines) for lines in refused.values())
    print(f"audit rules: {loaded} of {total} loaded from {' '.join(files)}{short}", file=notes)
    for why, lines in refused.items():
        for line in lines:
            print(f"refused ({why}): {line}", file=notes)


if __name__ == "__main__":
    main(sys.argv[1:])
