"""An OpenAI-like upstream that answers as each test scripts it.

Standard library only. It runs in the test's own process, so that a test can hold
an answer back until it has seen what it waits for: ordering is proved by events,
never by time.
"""

import json
import select
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

# How long a held answer waits for its test before it gives up, so that no run hangs.
HOLD_AT_MOST_SECONDS = 60


@dataclass
class Received:
    """One request as the upstream saw it."""

    method: str
    path: str
    headers: dict[str, str]  # names in lower case
    body: dict
    # Set when the other side closed the connection before the answer was complete.
    abandoned: threading.Event = field(default_factory=threading.Event)

    @property
    def prompt(self) -> str:
        return self.body["messages"][-1]["content"]


class Exchange:
    """One request and the means to answer it."""

    def __init__(self, handler: BaseHTTPRequestHandler, received: Received):
        self._handler = handler
        self.received = received

    def json(self, status: int, body: dict, headers: dict[str, str] | None = None) -> None:
        payload = json.dumps(body).encode()
        self._head(status, {"content-type": "application/json", "content-length": str(len(payload))} | (headers or {}))
        self._handler.wfile.write(payload)

    def open_stream(self) -> None:
        self._head(200, {"content-type": "text/event-stream", "transfer-encoding": "chunked"})

    def event(self, data: str) -> None:
        payload = f"data: {data}\n\n".encode()
        self._handler.wfile.write(b"%x\r\n%s\r\n" % (len(payload), payload))

    def close_stream(self) -> None:
        self._handler.wfile.write(b"0\r\n\r\n")

    def cut(self) -> None:
        """Closes the connection with the answer incomplete."""
        self._handler.close_connection = True

    def wait(self, event: threading.Event) -> bool:
        """Waits for `event`; False when the other side went away first."""
        for _ in range(HOLD_AT_MOST_SECONDS * 50):
            if event.wait(0.02):
                return True
            readable, _, _ = select.select([self._handler.connection], [], [], 0)
            if readable:  # nothing is pipelined here: readable means closed
                self.received.abandoned.set()
                self.cut()
                return False
        raise TimeoutError("a held answer was never released")

    def _head(self, status: int, headers: dict[str, str]) -> None:
        self._handler.send_response(status)
        for name, value in headers.items():
            self._handler.send_header(name, value)
        self._handler.end_headers()


Answer = Callable[[Exchange], None]


def completion(text: str) -> dict:
    choice = {"index": 0, "finish_reason": "stop", "message": {"role": "assistant", "content": text}}
    return {"id": "c-1", "object": "chat.completion", "created": 1, "model": "m", "choices": [choice]}


def chunk(text: str) -> str:
    choice = {"index": 0, "finish_reason": None, "delta": {"role": "assistant", "content": text}}
    return json.dumps(
        {"id": "c-1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice]}
    )


def echo(exchange: Exchange) -> None:
    """Answers a prompt with itself, and a question for the models with one model."""
    if exchange.received.path.endswith("/models"):
        model = {"id": "m", "object": "model", "created": 1, "owned_by": "tests"}
        exchange.json(200, {"object": "list", "data": [model]})
    else:
        exchange.json(200, completion(exchange.received.prompt))


def held(release: threading.Event) -> Answer:
    """Says nothing until released."""

    def answer(exchange: Exchange) -> None:
        if exchange.wait(release):
            echo(exchange)

    return answer


def streamed(first: str, last: str, release: threading.Event) -> Answer:
    """Sends one chunk, and the other when released."""

    def answer(exchange: Exchange) -> None:
        exchange.open_stream()
        exchange.event(chunk(first))
        if exchange.wait(release):
            exchange.event(chunk(last))
            exchange.event("[DONE]")
            exchange.close_stream()

    return answer


def broken_after(text: str) -> Answer:
    """Sends one chunk and then dies."""

    def answer(exchange: Exchange) -> None:
        exchange.open_stream()
        exchange.event(chunk(text))
        exchange.cut()

    return answer


def rate_limited(exchange: Exchange) -> None:
    """What NVIDIA's API says over its quota: no OpenAI error, no Retry-After."""
    exchange.json(429, {"status": 429, "title": "Too Many Requests"})


def insufficient_quota(exchange: Exchange) -> None:
    error = {"message": "You exceeded your current quota", "type": "insufficient_quota", "param": None}
    exchange.json(429, {"error": error | {"code": "insufficient_quota"}})


def exhausted(exchange: Exchange) -> None:
    message = "ResourceExhausted: All workers are busy, please retry later"
    exchange.json(503, {"message": message, "type": "Service Unavailable", "code": 503})


def failed(exchange: Exchange) -> None:
    exchange.json(500, {"error": {"message": "boom", "type": "server_error", "param": None, "code": None}})


class Upstream:
    """A running upstream: `received` lists the requests in the order they came."""

    def __init__(self):
        self.received: list[Received] = []
        self._lock = threading.Lock()
        self._script: deque[Answer] = deque()
        self._otherwise: Answer = echo
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler_class())
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def answers(self, *script: Answer, then: Answer = echo) -> None:
        """Answers the next requests by `script`, one each, and all after them by `then`."""
        with self._lock:
            self._script = deque(script)
            self._otherwise = then

    def prompts(self) -> list[str]:
        return [received.prompt for received in self.received]

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()

    def _take(self, received: Received) -> Answer:
        with self._lock:
            self.received.append(received)
            return self._script.popleft() if self._script else self._otherwise

    def _handler_class(self) -> type[BaseHTTPRequestHandler]:
        upstream = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 0
            disable_nagle_algorithm = True

            def answer(self) -> None:
                body = self.rfile.read(int(self.headers.get("content-length", 0)))
                headers = {name.lower(): value for name, value in self.headers.items()}
                received = Received(self.command, self.path, headers, json.loads(body) if body else {})
                try:
                    upstream._take(received)(Exchange(self, received))
                except (BrokenPipeError, ConnectionResetError):
                    received.abandoned.set()
                    self.close_connection = True

            do_GET = do_POST = answer

            def log_message(self, *_: object) -> None:
                pass

        return Handler
