"""A webhook's receiving end: POST with the shared secret; everything else is refused and counted."""

import hmac
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

BODY_CAP = 1 << 20
CONNECTIONS = 32
TIMEOUT_S = 15


class Refusal(Exception):
    """What is answered instead of 204."""

    def __init__(self, code, why):
        """HTTP status and the reason, which is counted."""
        super().__init__(why)
        self.code, self.why = code, why


def listen(receiver, say, record, refused):
    """Serve one port of the loopback address; returns as soon as it is open."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        server_version, sys_version = "intake", ""
        timeout = TIMEOUT_S

        def do_POST(self):
            try:
                body = self.body()
            except Refusal as refusal:
                say(refused, receiver["number"], refusal.why.encode())
                self.close_connection = True  # what follows of it is not read
                self.reply(refusal.code)
                return
            say(record, receiver["number"], body)  # 2xx only once it is handed on
            self.reply(204)

        def body(self):
            if self.path.partition("?")[0] != receiver["path"]:
                raise Refusal(404, "another path")
            given = self.headers.get(receiver["header"], "")
            given = given[7:] if given[:7].lower() == "bearer " else given
            if not hmac.compare_digest(given.encode("utf-8", "surrogateescape"), receiver["secret"].encode()):
                raise Refusal(401, "wrong secret" if given else "no secret")
            if self.headers.get("Content-Encoding", "identity") != "identity":
                raise Refusal(415, "compressed")
            if self.headers.get("Transfer-Encoding", "").lower() == "chunked":
                return self.chunks()
            length = self.headers.get("Content-Length", "")
            if not length.isdecimal():
                raise Refusal(411, "no length")
            if len(length) > 9 or int(length) > BODY_CAP:
                raise Refusal(413, "too large")
            data = self.rfile.read(int(length))
            if len(data) < int(length):
                raise Refusal(400, "cut short")
            return data

        def chunks(self):
            """RFC 9112, 7.1."""
            data = b""
            while True:
                size = int(self.rfile.readline(64).partition(b";")[0].strip() or b"x", 16)
                if size < 0 or len(data) + size > BODY_CAP:
                    raise Refusal(413, "too large")
                data += self.rfile.read(size)
                self.rfile.readline(64)
                if not size:
                    return data

        def refuse(self):
            say(refused, receiver["number"], b"another method")
            self.close_connection = True
            self.reply(405)

        do_GET = do_PUT = do_HEAD = do_DELETE = do_PATCH = do_OPTIONS = refuse

        def reply(self, code):
            self.send_response_only(code)
            self.send_header("Content-Length", "0")
            if self.close_connection:
                self.send_header("Connection", "close")
            self.end_headers()

        def log_message(self, *_):
            return

    class Server(ThreadingHTTPServer):
        daemon_threads = True
        request_queue_size = 128
        room = threading.BoundedSemaphore(CONNECTIONS)

        def process_request(self, request, client_address):
            if not self.room.acquire(blocking=False):
                say(refused, receiver["number"], b"too many connections at once")
                self.shutdown_request(request)
                return
            super().process_request(request, client_address)

        def process_request_thread(self, request, client_address):
            try:
                super().process_request_thread(request, client_address)
            finally:
                self.room.release()

        def handle_error(self, *_):
            say(refused, receiver["number"], b"not HTTP, or the connection broke")

    server = Server(("127.0.0.1", receiver["port"]), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
