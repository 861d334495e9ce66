"""An OpenAI-compatible endpoint on this machine that answers as a test tells it."""

from __future__ import annotations

import http.server
import json
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any


@dataclass
class Reply:
    """One answer: what goes over the wire."""

    body: bytes = b""
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    kind: str = "application/json"
    hang: bool = False
    drip: bool = False
    cut: bool = False


def says(text: str | None, finish: str = "stop", **message: Any) -> Reply:
    """A chat completion."""
    choice = {
        "index": 0,
        "finish_reason": finish,
        "message": {"role": "assistant", "content": text, **message},
    }
    usage = {"prompt_tokens": 7, "completion_tokens": 3, "total_tokens": 10}
    return Reply(
        json.dumps({"id": "1", "object": "chat.completion", "choices": [choice], "usage": usage}).encode()
    )


def fails(status: int, message: str = "", headers: dict[str, str] | None = None, **more: Any) -> Reply:
    """An error as OpenAI words it."""
    return Reply(json.dumps({"error": {"message": message, **more}}).encode(), status, headers or {})


class FakeEndpoint:
    """Gives its replies one after the other, the last one for ever; keeps what it was asked."""

    def __init__(self, *replies: Reply | Callable[[dict[str, Any]], Reply]) -> None:
        self.replies = list(replies)
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.looked = 0
        self.over = threading.Event()
        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}/v1"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.over.set()
        self._server.shutdown()
        self._server.server_close()

    def _handler(self) -> type[http.server.BaseHTTPRequestHandler]:
        fake = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                fake.asked.append(asked)
                fake.headers.append({name.lower(): value for name, value in self.headers.items()})
                reply = fake.replies.pop(0) if len(fake.replies) > 1 else fake.replies[0]
                self._send(reply(asked) if callable(reply) else reply)

            def do_GET(self) -> None:
                fake.looked += 1
                first = fake.replies[0]
                self._send(fails(404) if callable(first) else first)

            def _send(self, reply: Reply) -> None:
                if reply.hang:
                    fake.over.wait(10)
                    return
                self.send_response(reply.status)
                self.send_header("Content-Type", reply.kind)
                self.send_header("Content-Length", str(len(reply.body) + 100 * reply.cut))
                for name, value in reply.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                if reply.drip:
                    for byte in reply.body:
                        if fake.over.wait(0.05):
                            return
                        self.wfile.write(bytes([byte]))
                        self.wfile.flush()
                    return
                self.wfile.write(reply.body)

            def log_message(self, *_: Any) -> None:
                pass

        return Handler
