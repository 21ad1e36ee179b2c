"""The sidecar, the application that calls through it, and what it calls."""

import json
import os
import threading
import urllib.request
from contextlib import ExitStack
from pathlib import Path

import openai
from cluster import NAMESPACE, Cluster, kubeconfig
from processes import PATIENCE_SECONDS, process, until
from upstream import completion

PACER = os.environ["PACER_BIN"]


class Sidecar:
    """The real binary, with the shipped rights and nothing more."""

    def __init__(self, cluster: Cluster, upstream: str, folder: Path, stack: ExitStack):
        token = cluster.must("create", "token", "my-app", "--namespace", NAMESPACE).strip()
        identity = kubeconfig(folder / "sidecar", cluster.url, cluster.authority, token)
        self._log = folder / "sidecar.log"
        self._told = 0
        ports = ("--port=0", "--metrics-host=127.0.0.1", "--metrics-port=0")
        command = (PACER, "run", *ports, "--policy=nvidia", f"--upstream={upstream}", "--log-format=json")
        stack.enter_context(process(self._log, *command, KUBECONFIG=str(identity)))
        started = until(lambda: next((line for line in self._lines() if "proxy" in line), None), "a sidecar")
        self.base_url = f"http://{started['proxy']}/v1"
        self._status = f"http://{started['metrics']}/status"

    def status(self) -> dict:
        with urllib.request.urlopen(self._status, timeout=PATIENCE_SECONDS) as answer:
            return json.load(answer)

    def has_told(self, message: str) -> bool:
        """Whether a line since `news` was last asked begins so."""
        return any(line["message"].startswith(message) for line in self._lines()[self._told :])

    def news(self) -> list[dict]:
        """The log lines since it was last asked."""
        lines = self._lines()
        self._told, news = len(lines), lines[self._told :]
        return news

    def _lines(self) -> list[dict]:
        """Every line so far, but for those about calls."""
        text = self._log.read_text()
        lines = [json.loads(line) for line in text[: text.rfind("\n") + 1].splitlines()]
        return [line for line in lines if "message" in line]


class Application:
    """Calls through the SDK without a pause, every other time for a stream."""

    def __init__(self, base_url: str, callers: int = 4):
        self.answered = 0
        self.failed: list[str] = []
        self._stop = threading.Event()
        self._client = openai.OpenAI(base_url=base_url, api_key="unused", max_retries=0)
        self._threads = [threading.Thread(target=self._call, args=(n % 2 == 0,)) for n in range(callers)]
        for thread in self._threads:
            thread.start()

    def _call(self, stream: bool) -> None:
        messages = [{"role": "user", "content": "Hello"}]
        while not self._stop.wait(0.05):
            try:
                answer = self._client.chat.completions.create(model="m", messages=messages, stream=stream)
                if stream:
                    list(answer)
                self.answered += 1
            except openai.OpenAIError as error:
                self.failed.append(repr(error))

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()


def answer(exchange) -> None:
    """Answers as the SDK asks for it."""
    if not exchange.received.body.get("stream"):
        exchange.json(200, completion("Hello"))
        return
    exchange.open_stream()
    exchange.event(json.dumps(completion("Hello") | {"object": "chat.completion.chunk"}))
    exchange.event("[DONE]")
    exchange.close_stream()
