"""In the child: loads a GGUF model with llama.cpp and answers questions, one JSON line each.

It imports nothing heavy of this package: the model needs the memory.
"""

from __future__ import annotations

import json
import os
import queue
import secrets
import sys
import threading
from typing import Any, TextIO


def main() -> None:
    """Read the settings, then questions, from standard input until it closes."""
    # The native library may print: what it prints must not come between the answers.
    channel = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    lines: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_listen, args=(lines,), daemon=True).start()
    try:
        server = _load(json.loads(lines.get()))
    except Exception as error:  # the library raises plain errors
        _say(channel, {"failed": f"{type(error).__name__}: {error}"})
        return
    _say(channel, {"ready": True})
    while True:
        question = json.loads(lines.get())
        try:
            answer = server.handle_chat_completions(question["body"])
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


def _load(settings: dict[str, Any]) -> Any:
    import xllamacpp

    params = xllamacpp.CommonParams()
    params.model.path = settings["path"]
    params.n_ctx = settings["context_tokens"]
    params.cpuparams.n_threads = params.cpuparams_batch.n_threads = settings["threads"]
    params.n_parallel = 1
    params.ctx_shift = False  # a prompt that does not fit is refused, not cut
    params.fit_params = False  # nor may the context shrink
    params.cache_ram_mib = 0  # an answer must not depend on earlier prompts
    params.warmup = False
    params.verbosity = 1
    # The library listens on a port as well: on this machine alone, and with a key that nobody has.
    params.hostnames = ["127.0.0.1"]
    params.port = 0
    params.api_keys = [secrets.token_hex(32)]
    params.ui = params.endpoint_slots = params.endpoint_props = params.endpoint_metrics = False
    return xllamacpp.Server(params)


if __name__ == "__main__":
    main()
