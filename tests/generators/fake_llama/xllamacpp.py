"""Stands in for llama.cpp in the model's process; the environment tells what it does.

``FAKE_LLAMA`` holds a behaviour for each question, separated by commas, the last one for ever;
``FAKE_LLAMA_LOG`` a file that it writes each question to. Reading a conversation is a question too, looking
for marks is none. ``FAKE_LLAMA_TEXTS`` is a JSON list of what it fills gaps with, or answers in the mode
``say``, one after the other.
"""

from __future__ import annotations

import json
import os
import re
import signal
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any


class CommonParams(SimpleNamespace):
    def __init__(self) -> None:
        super().__init__(
            model=SimpleNamespace(), cpuparams=SimpleNamespace(), cpuparams_batch=SimpleNamespace()
        )


class Server:
    def __init__(self, params: CommonParams) -> None:
        print("hello from the native library", flush=True)  # must not come between the answers
        if os.environ["FAKE_LLAMA"] == "unloadable":
            print("E llama_model_load: not a model", file=sys.stderr)
            raise RuntimeError("Failed to init server")
        self.params = params

    def handle_completions(self, body: dict[str, Any]) -> Any:
        if "import" in body["prompt"]:
            return self.handle_chat_completions(body)
        known = os.environ.get("FAKE_LLAMA_MARKS", "<|fim_prefix|><|fim_suffix|><|fim_middle|>")
        return {"usage": {"prompt_tokens": 3 if body["prompt"] == known else 17}}

    def handle_chat_completions(self, body: dict[str, Any]) -> Any:
        log = Path(os.environ["FAKE_LLAMA_LOG"])
        asked = len(log.read_text().splitlines()) if log.exists() else 0
        names = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT", "OPENAI_API_KEY", "PATH")
        environment = {name: os.environ.get(name) for name in names}
        with log.open("a") as file:
            file.write(json.dumps({"body": body, "environment": environment, "pid": os.getpid()}) + "\n")
        modes = os.environ["FAKE_LLAMA"].split(",")
        return self._answer(body, modes[min(asked, len(modes) - 1)])

    def _answer(self, body: dict[str, Any], mode: str) -> Any:
        if mode == "die":
            print("GGML_ASSERT failed", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        if mode == "hang":
            time.sleep(60)
        if mode == "raise":
            raise RuntimeError("out of slots")
        if mode == "nonsense":
            return ["no completion"]
        if mode == "full":
            error = {"type": "exceed_context_size_error", "n_prompt_tokens": 9000, "message": "too long"}
            return {"error": error | {"n_ctx": self.params.n_ctx}}
        text = {"long": "x" * 100_000, "cut": '{"edits": [{"id": "e'}.get(mode) or _obey(body, mode)
        if mode == "say":
            text = _text(body)
        if "prompt" in body:
            text = {"long": "nn.Conv2d(" * 10_000, "cut": "nn.Conv2d(8, "}.get(mode) or _text(body)
        usage = {"prompt_tokens": 8100 if mode == "large" else 50, "completion_tokens": 9}
        finish = "length" if mode == "cut" else "stop"
        choice = {"text": text} if "prompt" in body else {"message": {"content": text}}
        return {"choices": [{**choice, "finish_reason": finish}], "usage": usage}


def _text(body: dict[str, Any]) -> str:
    """The next of the texts; the last one for ever."""
    if body["max_tokens"] == 1:
        return ""
    log = Path(os.environ["FAKE_LLAMA_LOG"])
    asked = [json.loads(line)["body"] for line in log.read_text().splitlines()]
    texts = json.loads(os.environ["FAKE_LLAMA_TEXTS"])
    return str(texts[min(sum(body["max_tokens"] > 1 for body in asked), len(texts)) - 1])


def _obey(body: dict[str, Any], mode: str) -> str:
    """An answer under the grammar: the first edit of the first slot."""
    found = re.search(r'"(e\d+)\\"', body.get("grammar", ""))
    reason = "Do not choose what was tried before" if mode == "copy" else "It helps"
    return json.dumps({"edits": [{"id": found[1] if found else "?", "reason": reason}]})
