"""In the child: loads a GGUF model with llama.cpp and answers questions."""

from __future__ import annotations

import secrets
from typing import Any

from nas_assistant.generators._model_child import serve


class LlamaChild:
    """A model of llama.cpp.

    Args:
        settings: ``path``, ``context_tokens``, ``threads``.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
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
        self._server = xllamacpp.Server(params)

    def knows(self, marks: list[str]) -> bool:
        """Whether each of these is one token: what is none of the vocabulary is several."""
        answer = self._server.handle_completions(
            {"prompt": "".join(marks), "max_tokens": 1, "temperature": 0}
        )
        beginning = 1  # some models begin every text with a token of their own
        return 0 < int(answer.get("usage", {}).get("prompt_tokens", 0)) <= len(marks) + beginning

    def answer(self, body: dict[str, Any]) -> Any:
        """A completion of a conversation, or of a bare prompt."""
        if "prompt" in body:
            return self._server.handle_completions(body)
        return self._server.handle_chat_completions(body)


if __name__ == "__main__":
    serve(LlamaChild)
