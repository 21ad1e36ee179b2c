"""A network of two servers: a name server that knows one name, and an HTTPS upstream that bears it."""

import contextlib
import fcntl
import http.server
import socket
import ssl
import struct
import subprocess
import threading
from pathlib import Path

NAME = "upstream.test"
ANSWER = b'{"object": "chat.completion"}'
SIOCSIFFLAGS, IFF_UP = 0x8914, 1


def raise_loopback() -> None:
    """A new network namespace has its loopback interface down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
        fcntl.ioctl(any_socket, SIOCSIFFLAGS, struct.pack("16sH14s", b"lo", IFF_UP, b""))


def make_certificates(folder: Path) -> None:
    """An authority of our own (`ca.pem`), and a certificate by it for the name (`server.pem`)."""

    def certificate(name: str, subject: str, *more: str) -> None:
        command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes"]
        command += ["-days", "2", "-subj", f"/CN={subject}", "-keyout", f"{name}.key", "-out", f"{name}.pem"]
        subprocess.run([*command, *more], cwd=folder, check=True, capture_output=True)

    certificate("ca", "a company's own authority", "-addext", "keyUsage=critical,keyCertSign")
    extensions = ["-addext", f"subjectAltName=DNS:{NAME}", "-addext", "basicConstraints=critical,CA:FALSE"]
    certificate("server", NAME, "-CA", "ca.pem", "-CAkey", "ca.key", *extensions)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):  # noqa: N802, the library's name
        self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(ANSWER)))
        self.end_headers()
        self.wfile.write(ANSWER)

    def log_message(self, *_):
        pass


class _Server(http.server.ThreadingHTTPServer):
    def handle_error(self, request, client_address):
        """A client that does not trust the authority hangs up, as it should: nothing to print."""


@contextlib.contextmanager
def https(folder: Path):
    """Serves until the end of the block; gives the base URL, by name."""
    server = _Server(("127.0.0.1", 0), _Handler)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem", folder / "server.key")
    # Each connection shakes hands in its own thread: a refused one must not end the server.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"https://{NAME}:{server.server_port}/v1"
    finally:
        server.shutdown()
        server.server_close()


@contextlib.contextmanager
def name_server():
    """Answers questions for `NAME` with 127.0.0.1, and all others with no such name; gives the names asked for."""
    asked: list[str] = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 53))
        threading.Thread(target=_answer, args=(server, asked), daemon=True).start()
        yield asked
        # Wakes the thread, which then ends.
        server.sendto(b"", ("127.0.0.1", 53))


def _answer(server: socket.socket, asked: list[str]) -> None:
    while True:
        question, sender = server.recvfrom(512)
        if not question:
            return
        name, end = _name(question)
        asked.append(name)
        kind = question[end : end + 2]
        known, address = name == NAME, name == NAME and kind == b"\0\1"
        head = question[:2] + (b"\x81\x80" if known else b"\x81\x83") + struct.pack(">4H", 1, int(address), 0, 0)
        record = b"\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x7f\0\0\1" if address else b""
        server.sendto(head + question[12 : end + 4] + record, sender)


def _name(question: bytes) -> tuple[str, int]:
    labels, at = [], 12
    while length := question[at]:
        labels.append(question[at + 1 : at + 1 + length].decode())
        at += 1 + length
    return ".".join(labels), at + 1
