"""An API to call: it answers at once, and refuses what is above its quota."""

import json
import threading
import time
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

ANSWER = {"id": "1", "object": "chat.completion", "model": "m", "choices": []}
REFUSAL = {"error": {"message": "Too many requests", "type": "rate_limit_exceeded", "code": "429"}}


class Api:
    """`quota` requests in any `seconds`, or as many as come where there is none."""

    def __init__(self, quota: int | None = None, seconds: float = 60.0):
        self.quota, self.seconds = quota, seconds
        self.admitted: deque[float] = deque()
        self.lock = threading.Lock()
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self.handler())
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def admits(self) -> bool:
        """Whether one more fits into the window that ends now; if so, it is in it."""
        now = time.monotonic()
        with self.lock:
            while self.admitted and self.admitted[0] <= now - self.seconds:
                self.admitted.popleft()
            if self.quota is not None and len(self.admitted) >= self.quota:
                return False
            self.admitted.append(now)
            return True

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()

    def handler(self) -> type[BaseHTTPRequestHandler]:
        api = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                self.rfile.read(int(self.headers.get("content-length", 0)))
                status, answer = (200, ANSWER) if api.admits() else (429, REFUSAL)
                body = json.dumps(answer).encode()
                self.send_response(status)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                """Says nothing."""

        return Handler
