"""In the child: the conversation with the parent, one JSON line each way.

It imports nothing heavy of this package: the model needs the memory.
"""

from __future__ import annotations

import json
import os
import queue
import sys
import threading
from collections.abc import Callable
from typing import Any, Protocol, TextIO


class Child(Protocol):
    """A model that was loaded."""

    def knows(self, marks: list[str]) -> bool:
        """Whether each of these is one token to it."""
        ...

    def answer(self, body: dict[str, Any]) -> Any:
        """A completion, as an OpenAI-compatible endpoint words it."""
        ...


def serve(load: Callable[[dict[str, Any]], Child]) -> None:
    """Read the settings, then questions, from standard input until it closes.

    Args:
        load: Makes a model of the settings.
    """
    # The native library may print: what it prints must not come between the answers.
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(lines,), daemon=True).start()
    try:
        settings = json.loads(lines.get())
        model = load(settings)
        known = [name for name, marks in settings.get("marks", {}).items() if model.knows(marks)]
    except Exception as error:  # the libraries raise plain errors
        _say(channel, {"failed": f"{type(error).__name__}: {error}"})
        return
    _say(channel, {"ready": True, "marks": known})
    while True:
        question = json.loads(lines.get())
        try:
            answer = model.answer(question["body"])
        except Exception as error:
            answer = {"error": {"message": f"{type(error).__name__}: {error}"}}
        _say(channel, {"id": question["id"], "answer": answer})


def _listen(lines: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        lines.put(line)
    # The parent has gone or wants the end: an answer under way must not keep the memory.
    os._exit(0)


def _say(channel: TextIO, message: dict[str, Any]) -> None:
    channel.write(json.dumps(message) + "\n")
    channel.flush()
