"""Real loading code on a tiny model of InCoder's architecture, which is made here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from safetensors import SafetensorError

from nas_assistant.errors import UserError
from nas_assistant.generators import Request, get_generator
from nas_assistant.generators._local_model import LocalModel
from nas_assistant.generators._marks import STYLES
from nas_assistant.generators._model_process import TRANSFORMERS
from nas_assistant.generators._transformers_worker import TransformersChild

from .conftest import SOURCE

transformers = pytest.importorskip("transformers", reason="transformers is not installed (the extra infill)")

MARKS = ["<|endoftext|>", "<|mask:0|>", "<|mask:1|>", "<|mask:2|>", "<|mask:3|>", "<|endofmask|>"]
MIDDLE = ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>", "<|fim_pad|>"]


def save_tiny(folder: Path, marks: list[str], **weights: Any) -> Path:
    """A model with random weights, and a tokenizer of single bytes and marks, as files."""
    import torch
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors

    letters = sorted(pre_tokenizers.ByteLevel.alphabet())
    tokenizer = Tokenizer(models.BPE(vocab={sign: i for i, sign in enumerate(letters)}, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.add_special_tokens(marks)
    begin = ("<|endoftext|>", tokenizer.token_to_id("<|endoftext|>"))
    if begin[1] is not None:  # as InCoder's own tokenizer does
        tokenizer.post_processor = processors.TemplateProcessing(
            single="<|endoftext|> $A", special_tokens=[begin]
        )
    transformers.PreTrainedTokenizerFast(tokenizer_object=tokenizer).save_pretrained(folder)
    config = transformers.XGLMConfig(
        vocab_size=tokenizer.get_vocab_size(),
        d_model=16,
        ffn_dim=32,
        num_layers=1,
        attention_heads=2,
        max_position_embeddings=2048,
    )
    torch.manual_seed(0)
    transformers.XGLMForCausalLM(config).save_pretrained(folder, **weights)
    return folder


@pytest.fixture(scope="module")
def incoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny(tmp_path_factory.mktemp("models") / "incoder", MARKS)


def open_model(folder: Path | str, **options: Any) -> LocalModel:
    settings = {"marks": {style.name: style.marks for style in STYLES.values()}}
    values: dict[str, Any] = {"context_tokens": 2048, "threads": 1, "timeout": 300.0, "raw": True}
    return LocalModel(folder, engine=TRANSFORMERS, settings=settings, **values | options)


def ask(model: LocalModel, prompt: str, seed: int = 0, **more: Any) -> Any:
    body = {"ends": ["<|endofmask|>"], **more}
    return model.ask(
        [{"role": "user", "content": prompt}], temperature=1.0, seed=seed, max_tokens=24, extra_body=body
    )


@pytest.fixture(scope="module")
def model(incoder: Path) -> Iterator[LocalModel]:
    found = open_model(incoder)
    yield found
    found.close()


def load(folder: Path) -> TransformersChild:
    """The same code in this process."""
    return TransformersChild({"path": str(folder), "context_tokens": 2048, "threads": 1})


def test_a_tiny_incoder_is_loaded_and_asked_in_its_marks(incoder: Path, model: LocalModel) -> None:
    assert json.loads((incoder / "config.json").read_text())["model_type"] == "xglm"
    assert model.ready()["marks"] == ["incoder"]
    prompt = STYLES["incoder"].prompt(["a = ", "\n"], ["1"], [])
    first = ask(model, prompt, 1)
    # The mark that begins every text, four letters, a mark, a line break, two marks.
    assert first.usage["prompt_tokens"] == 1 + 4 + 1 + 1 + 2
    texts = [ask(model, prompt, seed).text for seed in (1, 2, 3)]
    assert texts[0] == first.text and len(set(texts)) > 1
    ends = [ask(model, prompt, 1, ends=[], stop=[sign]) for sign in first.text[3:6]]
    assert all(answer.finish == "stop" and first.text.startswith(answer.text) for answer in ends)


def test_a_prompt_beyond_the_models_own_context_is_refused(model: LocalModel) -> None:
    with pytest.raises(UserError, match=r"has 3,\d{3} tokens and its answer may have 24: .* of 2,048 tokens"):
        ask(model, "x" * 3000)


def test_a_fill_ends_with_the_mark_for_it(model: LocalModel) -> None:
    found = [ask(model, "a = <|mask:0|>", seed) for seed in range(40)]
    stopped = [answer for answer in found if answer.finish == "stop"]
    assert stopped and all("<|endofmask|>" not in answer.text for answer in stopped)
    assert all(answer.usage["completion_tokens"] < 24 for answer in stopped)
    assert any(answer.finish == "length" for answer in found)


def test_the_generator_with_a_tiny_incoder(incoder: Path, make_request: Callable[..., Request]) -> None:
    generator = get_generator("infill", model=str(incoder), threads=1, tries=2, answer_tokens=16)
    proposals = generator.propose(make_request(count=2))
    usage = generator.usage()
    generator.close()
    assert len(proposals) == 2 and 2 <= usage.asked <= 4 and usage.prompt_tokens > 400 * usage.asked
    for proposal in proposals:  # random weights: what comes is handled, never good
        assert proposal.failure is not None and proposal.source == SOURCE


def test_another_vocabulary_has_other_marks(tmp_path: Path) -> None:
    child = load(save_tiny(tmp_path / "coder", MIDDLE))
    assert [name for name, style in STYLES.items() if child.knows(list(style.marks))] == ["qwen"]
    prompt = STYLES["qwen"].prompt(["a = ", "\n"], ["1"], [])
    answer = child.answer({"prompt": prompt, "max_tokens": 3, "temperature": 0, "seed": 0})
    assert answer["usage"] == {"prompt_tokens": 3 + 4 + 1, "completion_tokens": 3}


def test_pickled_weights_are_not_read(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "pickled", MARKS)
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    with pytest.raises(UserError, match=r"pickled weights are not read"):
        get_generator("infill", model=str(folder))
    with pytest.raises(OSError, match="safetensors"):
        load(folder)
    (folder / "model.safetensors").write_bytes(b"PK\x03\x04 no weights at all")
    with pytest.raises(SafetensorError):
        load(folder)


def test_code_that_a_model_brings_is_not_run(tmp_path: Path) -> None:
    folder = save_tiny(tmp_path / "custom", MARKS)
    owned = tmp_path / "owned"
    (folder / "evil.py").write_text(f"open({str(owned)!r}, 'w').close()\n")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "evil", "auto_map": {"AutoConfig": "evil.C", "AutoModelForCausalLM": "evil.M"}}
    (folder / "config.json").write_text(json.dumps(config))
    with pytest.raises(ValueError, match="trust_remote_code"):
        load(folder)
    assert not owned.exists()


def test_a_name_at_a_hub_that_is_not_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    with pytest.raises(UserError, match=r"facebook/incoder-1B: transformers cannot load it") as caught:
        open_model("facebook/incoder-1B").ready()
    assert len(str(caught.value).splitlines()) == 1
