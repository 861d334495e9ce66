"""In the child: loads a causal model with transformers and goes on with prompts.

Weights come from safetensors alone, and no code that a model brings is run.
"""

from __future__ import annotations

import os
from typing import Any

from nas_assistant.generators._model_child import serve

_TOP_P = 0.95  # as InCoder's and the later models' authors sample


class TransformersChild:
    """A model and its tokenizer.

    Args:
        settings: ``path`` (a folder, or a name at the hub with ``@`` and a revision where one is wanted),
            ``context_tokens``, ``threads``.
    """

    def __init__(self, settings: dict[str, Any]) -> None:
        import torch
        import transformers

        torch.set_num_threads(settings["threads"])
        path: str = settings["path"]
        options: dict[str, Any] = {"trust_remote_code": False, "local_files_only": True}
        if not os.path.isdir(path):
            path, _, revision = path.partition("@")
            options |= {"local_files_only": False, "revision": revision or "main"}
        self._model = transformers.AutoModelForCausalLM.from_pretrained(path, use_safetensors=True, **options)
        self._model.eval()
        # The file tokenizer.json as it is: the classes of some models rebuild it by rules of their own.
        self._tokenizer = transformers.PreTrainedTokenizerFast.from_pretrained(path, **options)
        self._torch, self._config = torch, transformers.GenerationConfig
        most = getattr(self._model.config, "max_position_embeddings", None)
        self._context = min(settings["context_tokens"], most or settings["context_tokens"])

    def knows(self, marks: list[str]) -> bool:
        """Whether each of these is a token of the vocabulary."""
        vocabulary = self._tokenizer.get_vocab()
        return all(mark in vocabulary for mark in marks)

    def answer(self, body: dict[str, Any]) -> Any:
        """Go on with a prompt."""
        ids = self._tokenizer(body["prompt"], return_tensors="pt").input_ids
        count, most = ids.shape[1], int(body["max_tokens"])
        if count + most > self._context:
            error = {"type": "exceed_context_size_error", "n_prompt_tokens": count, "n_ctx": self._context}
            return {"error": error}
        ends, stops = self._ends(body.get("ends", [])), body.get("stop", [])
        found = self._generate(ids, most, ends, stops, float(body["temperature"]), int(body["seed"]))
        ended = len(found) > 0 and int(found[-1]) in ends
        text = self._text(found[:-1] if ended else found)
        places = [text.index(stop) for stop in stops if stop in text]
        choice = {
            "text": text[: min(places, default=len(text))],
            "finish_reason": "stop" if ended or places else "length",
        }
        return {"choices": [choice], "usage": {"prompt_tokens": count, "completion_tokens": len(found)}}

    def _generate(
        self, ids: Any, most: int, ends: list[int], stops: list[str], temperature: float, seed: int
    ) -> Any:
        sampling = {"do_sample": True, "temperature": temperature, "top_p": _TOP_P} if temperature > 0 else {}
        count = ids.shape[1]

        def stopped(tokens: Any, scores: Any, **_: Any) -> Any:
            text = self._text(tokens[0, count:])
            return self._torch.tensor([any(stop in text for stop in stops)])

        self._torch.manual_seed(seed)
        with self._torch.inference_mode():
            whole = self._model.generate(
                ids,
                attention_mask=self._torch.ones_like(ids),
                generation_config=self._config(
                    max_new_tokens=most,
                    eos_token_id=ends or None,
                    pad_token_id=ends[0] if ends else 0,
                    **sampling,
                ),
                stopping_criteria=[stopped],
            )
        return whole[0, count:]

    def _ends(self, names: list[str]) -> list[int]:
        vocabulary = self._tokenizer.get_vocab()
        own = self._model.generation_config.eos_token_id
        named = [vocabulary[name] for name in names if name in vocabulary]
        return [*named, *([own] if isinstance(own, int) else own or [])]

    def _text(self, tokens: Any) -> str:
        return str(
            self._tokenizer.decode(tokens, skip_special_tokens=False, clean_up_tokenization_spaces=False)
        )


if __name__ == "__main__":
    serve(TransformersChild)
