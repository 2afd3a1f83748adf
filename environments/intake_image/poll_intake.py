"""Asking: an HTTP API of the product, and copies of its SQLite databases."""

import base64
import http.client
import json
import os
import sqlite3
import time
from urllib.parse import urlsplit

DOCUMENT_CAP = 8 << 20
REQUEST_S = 10.0
QUERY_S = 5.0
ROWS = 5_000
"""Rows of one answer; the next question asks for those after."""
FOLDER = "/tmp/databases"
PARTS = ("", "-wal", "-journal")
SELECTING = {sqlite3.SQLITE_SELECT, sqlite3.SQLITE_READ, sqlite3.SQLITE_RECURSIVE}
FAILURES = (OSError, ValueError, KeyError, TypeError, http.client.HTTPException, sqlite3.Error)


def ask_http(request):
    """One GET; redirects are not followed, size and time are capped."""
    url = urlsplit(request["url"])
    if url.scheme != "http" or url.hostname != "127.0.0.1":
        raise ValueError("not an address of the product's own network namespace")
    deadline = time.monotonic() + REQUEST_S
    connection = http.client.HTTPConnection("127.0.0.1", url.port or 80, timeout=REQUEST_S)
    try:
        connection.request("GET", url.path + (f"?{url.query}" if url.query else ""), headers=request["headers"])
        response = connection.getresponse()
        if response.status != 200:
            return {"error": f"HTTP status {response.status}"}
        data = b""
        while chunk := response.read1(1 << 16):
            data += chunk
            if len(data) > DOCUMENT_CAP:
                return {"error": f"an answer of more than {DOCUMENT_CAP} bytes"}
            if time.monotonic() > deadline:
                return {"error": f"an answer that took more than {REQUEST_S:.0f} s"}
    finally:
        connection.close()
    return {"data": base64.b64encode(data).decode()}


def ask_sqlite(request):
    """One SELECT over a copy of a database, or over the copy that is here already.

    What the database holds is hostile: its schema is not trusted, and nothing but reading is authorised.
    """
    path = os.path.join(FOLDER, str(request["number"]))
    if request["files"] is not None:
        os.makedirs(FOLDER, exist_ok=True)
        for part in (*PARTS, "-shm"):
            if os.path.exists(path + part):
                os.unlink(path + part)
        for part in PARTS:
            if request["files"].get(part) is not None:
                with open(path + part, "wb") as file:
                    file.write(base64.b64decode(request["files"][part]))
    connection = sqlite3.connect(f"file:{path}?mode=rw", uri=True, timeout=1)
    try:
        guarded(connection)
        if request["files"] is not None and began_anew(connection, request):
            request["last"] = 0
        return rows_of(connection, request)
    finally:
        connection.close()


def rows_of(connection, request):
    """The rows after `last`, each as a JSON object, and the largest value of the cursor."""
    found = connection.execute(f"SELECT * {within(request)} ORDER BY {column(request)}", {"last": request["last"]})
    names = [described[0] for described in found.description]
    if request["cursor"] not in names:  # SQLite would take the name for a text
        raise ValueError(f"the query has no column {request['cursor']!r}")
    rows, last, size = [], request["last"], 0
    for row in found:
        record = {name: plain(value) for name, value in zip(names, row, strict=True)}
        rows.append(json.dumps(record))
        size += len(rows[-1])
        last = later(last, record[request["cursor"]])
        if len(rows) >= ROWS or size > DOCUMENT_CAP:
            return {"rows": rows, "last": last, "more": True}
    return {"rows": rows, "last": last, "more": False}


def began_anew(connection, request):
    """Whether all rows lie before the last one that was read: the database was made anew, or the table emptied."""
    ((top,),) = connection.execute(f"SELECT max({column(request)}) {within(request)}", {"last": 0})
    return top is None or later(top, request["last"]) != top


def within(request):
    """The manifest's query, as a table."""
    return f"FROM ({request['query'].rstrip().rstrip(';')})"


def column(request):
    """The cursor's name, quoted."""
    return '"' + request["cursor"].replace('"', '""') + '"'


def guarded(connection):
    """Let a connection do nothing but read, for a bounded time."""
    connection.execute("PRAGMA trusted_schema = OFF")
    connection.execute("PRAGMA cell_size_check = ON")
    connection.execute("PRAGMA query_only = ON")
    deadline = time.monotonic() + QUERY_S
    connection.set_progress_handler(lambda: time.monotonic() > deadline, 10_000)
    connection.set_authorizer(may)


def later(one, other):
    """The larger of two cursors, as SQLite orders them: nothing, numbers, text."""

    def place(value):
        return (0, 0) if value is None else (2, value) if isinstance(value, str) else (1, value)

    return max(one, other, key=place)


def may(action, argument, *_):
    """Reading only; a function may be called unless it would load code."""
    if action == sqlite3.SQLITE_FUNCTION:
        return sqlite3.SQLITE_OK
    return sqlite3.SQLITE_OK if action in SELECTING else sqlite3.SQLITE_DENY


def plain(value):
    """A value as JSON has it; bytes become text."""
    return value.decode("utf-8", "backslashreplace") if isinstance(value, bytes) else value


OPERATIONS = {"http": ask_http, "sqlite": ask_sqlite}
