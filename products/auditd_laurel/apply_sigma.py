"""Applies the user's Sigma rules to laurel's events as they come; a JSON line on stdout for each alert.

Events that carry an audit key are passed on as they are, after the alerts that they caused: whoever has seen an
event here knows that every rule has been asked about it.

    apply_sigma.py NODE_PID RULE_FOLDER LAUREL_LOG
"""

import json
import os
import re
import sqlite3
import subprocess
import sys
from functools import lru_cache
from urllib.parse import unquote

from sigma_events import Translator
from sigma_rules import FULLTEXT, Ruleset

NOTES = "/run/notes/sigma.txt"
CHUNK = 1 << 20
"""Bytes read at once: a burst becomes one batch, so that its ~200 queries are paid once."""


class Matcher:
    """An in-memory table for each kind of event, filled with a batch, asked every rule, emptied."""

    def __init__(self, ruleset):
        """Make the tables."""
        self._rules = ruleset.rules
        self._columns = {table: sorted(names | {FULLTEXT}) for table, names in ruleset.columns.items()}
        self._database = sqlite3.connect(":memory:", isolation_level=None, cached_statements=1024)
        self._database.create_function("REGEXP", 2, matches, deterministic=True)
        for table, names in self._columns.items():
            columns = ", ".join(f'"{name}" TEXT' for name in ["_event", *names])
            self._database.execute(f'CREATE TABLE "{table}" ({columns})')

    def match(self, batch):
        """Yield (event's number, rule's facts), each pair once, for a batch of (number, table, row)."""
        filled = {}
        for number, table, row in batch:
            text = {**row, FULLTEXT: " ".join(as_text(value) for value in row.values() if value is not None)}
            filled.setdefault(table, []).append([number, *(as_text(text.get(name)) for name in self._columns[table])])
        for table, rows in filled.items():
            marks = ", ".join("?" * (1 + len(self._columns[table])))
            self._database.execute("BEGIN")
            self._database.executemany(f'INSERT INTO "{table}" VALUES ({marks})', rows)
            for query, facts in self._rules.get(table, ()):
                for number in sorted({int(found[0]) for found in self._database.execute(query)}):
                    yield number, facts
            self._database.execute("ROLLBACK")


@lru_cache(maxsize=2048)
def compiled(pattern):
    """A rule's regular expression; Sigma's are case-sensitive."""
    return re.compile(pattern)


def matches(pattern, value):
    """SQLite's `value REGEXP pattern`."""
    return value is not None and compiled(pattern).search(value) is not None


def as_text(value):
    """A column's value; None stays absent."""
    if value is None or isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False)


def alert(event, facts):
    """What is said about one event that a rule matched."""
    records = [event.get("SYSCALL"), *event.values()]
    call = next((record for record in records if isinstance(record, dict) and "pid" in record), {})
    paths = event.get("PATH") or []
    execve = event.get("EXECVE") or event.get("PROCTITLE") or {}
    named = [path["name"] for path in paths if path.get("name") and path.get("nametype") != "PARENT"]
    return {
        "time": event["ID"].partition(":")[0],
        "event": event["ID"],
        "rule": facts,
        "pid": call.get("pid"),
        "ppid": call.get("ppid"),
        "exe": call.get("exe"),
        "command_line": " ".join(str(part) for part in execve.get("ARGV") or ()) or None,
        "cwd": (event.get("CWD") or {}).get("cwd"),
        "path": None if "EXECVE" in event else (named or [None])[-1],
        "uid": call.get("uid"),
        "auid": call.get("auid"),
        "container": container_of(call),
    }


def container_of(call):
    """The id of the container that laurel saw the process in."""
    enriched = call.get("PID")
    container = enriched.get("container") if isinstance(enriched, dict) else None
    return container.get("id") if isinstance(container, dict) else None


def decoded(value):
    """The value as it was: laurel writes `%`, `+` and bytes that are no text percent-encoded."""
    if isinstance(value, str):
        return unquote(value, errors="replace") if "%" in value else value
    if isinstance(value, list):
        return [decoded(item) for item in value]
    if isinstance(value, dict):
        return {name: decoded(item) for name, item in value.items()}
    return value


def events(stream):
    """Yield a list of (line, event) for each read: as many as are there."""
    rest = b""
    while data := os.read(stream, CHUNK):
        *lines, rest = (rest + data).split(b"\n")
        batch = []
        for line in lines:
            try:
                event = json.loads(line)
            except ValueError:
                continue
            if isinstance(event, dict) and "ID" in event:
                batch.append((line.decode("utf-8", "replace"), decoded(event)))
        yield batch


def has_key(event):
    """Some rule asked for this event."""
    call = event.get("SYSCALL")
    return isinstance(call, dict) and call.get("key") is not None


def main(arguments):
    """Load, say what is in force, then follow the log for ever."""
    node_pid, folder, log = arguments
    ruleset = Ruleset()
    ruleset.load(folder)
    matcher, translator = Matcher(ruleset), Translator(node_pid)
    follower = subprocess.Popen(["tail", "-n", "+1", "-s", "0.1", "-F", log], stdout=subprocess.PIPE)
    # Only now, because the notes are the sign that the rules are in force.
    with open(f"{NOTES}.new", "w", encoding="utf-8") as notes:
        ruleset.describe(notes)
    os.replace(f"{NOTES}.new", NOTES)
    for batch in events(follower.stdout.fileno()):
        rows = [(number, *row) for number, (_line, event) in enumerate(batch) for row in translator.rows(event)]
        found = sorted(matcher.match(rows), key=lambda pair: pair[0])
        lines = [json.dumps({"alert": alert(batch[number][1], facts)}) for number, facts in found]
        lines += [line for line, event in batch if has_key(event)]
        if lines:
            sys.stdout.write("\n".join(lines) + "\n")
            sys.stdout.flush()
    sys.exit("tail ended")


if __name__ == "__main__":
    main(sys.argv[1:])
