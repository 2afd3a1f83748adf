"""The attacker's web server: hands out what lies in its folder, and keeps what is sent to it.

Any other name gives one harmless file, which is the EICAR test file (eicar.org), the agreed harmless stand-in for
malware. It is put together here from two halves, so that no file of the project is itself taken for malware.
"""

from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

HALVES = (r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR-", "STANDARD-ANTIVIRUS-TEST-FILE!$H+H*")
FILES = Path("/srv/files")
LOOT = Path("/srv/loot")
LIMIT = 50_000_000


class Share(BaseHTTPRequestHandler):
    """GET gives a file, PUT and POST keep one."""

    def do_GET(self) -> None:
        """Give the file of that name, or else the one harmless file."""
        own = FILES / Path(self.path).name
        body = own.read_bytes() if own.is_file() else "".join(HALVES).encode() + b"\n"
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_PUT(self) -> None:
        """Keep what is sent under the last part of its path."""
        length = min(int(self.headers.get("Content-Length", 0)), LIMIT)
        (LOOT / Path(self.path).name).write_bytes(self.rfile.read(length))
        self.send_response(201)
        self.send_header("Content-Length", "0")
        self.end_headers()

    do_POST = do_PUT

    def log_message(self, *_: object) -> None:
        """Keep quiet."""


ThreadingHTTPServer(("", 8000), Share).serve_forever()
