"""Turns laurel's JSON events into rows in the words of Sigma's Linux log sources."""

import os
import re
from collections import OrderedDict

REMEMBERED = 20_000
"""Processes whose command line is kept, for ParentCommandLine."""
ADDRESS = re.compile(r"laddr=(\S+) lport=(\d+)")
IN_PROGRESS = -115


class Translator:
    """Remembers what later events need of earlier ones."""

    def __init__(self, node_pid):
        """Names of users are the node's, not this container's."""
        self._node_pid = node_pid
        self._users = {}
        self._command_lines = OrderedDict()

    def rows(self, event):
        """Yield (table, row) for one laurel event."""
        call = event.get("SYSCALL") if isinstance(event.get("SYSCALL"), dict) else {}
        yield from self._audit_records(event)
        if not call:
            return
        shared = {"Image": call.get("exe"), "User": self._user(call), "ProcessId": call.get("pid")}
        if "EXECVE" in event and call.get("success") == "yes":
            yield "process_creation", {**shared, **self._process(event, call)}
        folder = (event.get("CWD") or {}).get("cwd") or "/"
        for path in event.get("PATH") or ():
            if path.get("nametype") == "CREATE" and path.get("name"):
                yield "file_event", {**shared, "TargetFilename": os.path.normpath(os.path.join(folder, path["name"]))}
        if call.get("SYSCALL") == "connect" and (call.get("success") == "yes" or call.get("exit") == IN_PROGRESS):
            found = ADDRESS.search(str(event.get("SOCKADDR")))
            if found:
                place = {"DestinationIp": found.group(1), "DestinationPort": found.group(2), "Initiated": "true"}
                yield "network_connection", {**shared, **place}

    def _process(self, event, call):
        command_line = " ".join(str(part) for part in event["EXECVE"].get("ARGV") or ())
        parent = call.get("PPID") or {}
        row = {
            "CommandLine": command_line,
            "ParentImage": parent.get("exe"),
            "ParentCommandLine": self._command_lines.get(call.get("ppid")),
            "ParentProcessId": call.get("ppid"),
            "CurrentDirectory": (event.get("CWD") or {}).get("cwd"),
            "LogonId": call.get("auid"),
        }
        self._command_lines.pop(call.get("pid"), None)
        self._command_lines[call.get("pid")] = command_line
        if len(self._command_lines) > REMEMBERED:
            self._command_lines.popitem(last=False)
        return row

    def _audit_records(self, event):
        for kind, value in event.items():
            for record in value if isinstance(value, list) else [value]:
                if not isinstance(record, dict):
                    continue
                row = {"type": kind, **record}
                for number, part in enumerate(record.get("ARGV") or ()):
                    # A SYSCALL record's arguments are bare hexadecimal in the audit log.
                    row[f"a{number}"] = str(part).removeprefix("0x") if kind == "SYSCALL" else part
                if kind == "PROCTITLE":
                    row["proctitle"] = " ".join(str(part) for part in record.get("ARGV") or ())
                yield "auditd", row

    def _user(self, call):
        name = call.get("UID")
        if isinstance(name, str) and not name.startswith("unknown("):
            return name
        number = str(call.get("uid"))
        if number not in self._users:
            self._users[number] = self._look_up(number)
        return self._users[number]

    def _look_up(self, number):
        try:
            with open(f"/proc/{self._node_pid}/root/etc/passwd", encoding="utf-8", errors="replace") as file:
                lines = [line.split(":") for line in file]
        except OSError:
            return number
        return next((fields[0] for fields in lines if len(fields) > 2 and fields[2] == number), number)
