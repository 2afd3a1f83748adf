"""Syslog over UDP (RFC 5426), TCP (RFC 6587) and TLS (RFC 5425). Messages are handed on with their header."""

import os
import re
import socket
import ssl
import struct
import tempfile
import threading

MESSAGE_CAP = 1 << 20
CONNECTIONS = 64
HANDSHAKE_S = 10
SO_RXQ_OVFL = 40
"""linux/socket.h: each datagram comes with the number of those that the kernel had no room for."""
COUNTED = re.compile(rb"([1-9]\d{0,7}) ")
"""RFC 6587, 3.4.1: MSG-LEN SP SYSLOG-MSG. Anything else is 3.4.2: up to the end of the line."""


def listen(receiver, tls, say, record, refused, lost):
    """Listen on one port of the loopback address; returns as soon as the port is open."""
    place = ("127.0.0.1", receiver["port"])
    number = receiver["number"]
    if receiver["transport"] == "udp":
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8 << 20)  # as much as the kernel allows
        sock.setsockopt(socket.SOL_SOCKET, SO_RXQ_OVFL, 1)
        sock.bind(place)
        work, arguments = datagrams, (sock, number, say, record, lost)
    else:
        server = socket.create_server(place, backlog=128)
        context = with_certificate(tls) if receiver["transport"] == "tls" else None
        work, arguments = connections, (server, context, number, say, record, refused)
    threading.Thread(target=work, args=arguments, daemon=True).start()


def with_certificate(tls):
    """The TLS context of a server with this trial's certificate. The key is in memory only (tmpfs)."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.num_tickets = 0  # one who sends and leaves at once would break the handshake by not taking them
    descriptor, path = tempfile.mkstemp(dir="/tmp")
    try:
        os.write(descriptor, (tls["key"] + tls["certificate"]).encode())
        context.load_cert_chain(path)
    finally:
        os.close(descriptor)
        os.unlink(path)
    return context


def datagrams(sock, number, say, record, lost):
    """Hand on each datagram as one record."""
    missed = 0
    while True:
        data, extra, _flags, _sender = sock.recvmsg(1 << 16, 64)
        for level, kind, value in extra:
            if level == socket.SOL_SOCKET and kind == SO_RXQ_OVFL:
                (total,) = struct.unpack("=I", value)
                if total > missed:
                    say(lost, number, str(total - missed).encode())
                    missed = total
        say(record, number, data.rstrip(b"\0\r\n"))


def connections(server, context, number, say, record, refused):
    """Serve each connection in a thread of its own; no more than CONNECTIONS at once."""
    room = threading.BoundedSemaphore(CONNECTIONS)
    while True:
        connection, _sender = server.accept()
        if not room.acquire(blocking=False):
            say(refused, number, b"too many connections at once")
            connection.close()
            continue
        arguments = (connection, context, number, say, record, refused, room)
        threading.Thread(target=serve, args=arguments, daemon=True).start()


def serve(connection, context, number, say, record, refused, room):
    """Read one connection to its end."""
    try:
        if context is not None:
            connection.settimeout(HANDSHAKE_S)
            connection = context.wrap_socket(connection, server_side=True)
        connection.settimeout(None)
        for message in messages(connection):
            say(record, number, message)
    except (OSError, ValueError) as error:  # a broken handshake, a reset, a frame that can't be
        say(refused, number, str(error)[:200].encode())
    finally:
        connection.close()
        room.release()


def messages(connection):
    """Cut a stream into messages, by either framing of RFC 6587.

    Raises:
        ValueError: a message is longer than MESSAGE_CAP.
    """
    rest = b""
    while True:
        try:
            data = connection.recv(1 << 16)
        except (ConnectionError, ssl.SSLEOFError):  # it left without a word: what came counts
            data = b""
        if not data:
            yield from [rest] if rest.strip() else []
            return
        rest += data
        at = 0
        while at < len(rest):
            counted = COUNTED.match(rest, at)
            if counted:
                begin = counted.end()
                end = after = begin + int(counted[1])
            else:
                begin, end = at, rest.find(b"\n", at)
                end = len(rest) + 1 if end < 0 else end
                after = end + 1
            if end - begin > MESSAGE_CAP:
                raise ValueError(f"a message of more than {MESSAGE_CAP} bytes")
            if end > len(rest):
                break
            yield rest[begin:end].rstrip(b"\r\n")
            at = after
        rest = rest[at:]
