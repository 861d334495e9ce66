from __future__ import annotations

import json
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from generators.endpoint import FakeEndpoint, Reply, says

Run = Callable[..., Any]
ANSWER = '{"edits": [{"id": "e0", "reason": "it helps"}]}'


@pytest.fixture
def endpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeEndpoint]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL", "NAS_ASSISTANT_USD_PER_MILLION"):
        monkeypatch.delenv(name, raising=False)
    fake = FakeEndpoint(says(ANSWER))
    yield fake
    fake.close()


def arguments(endpoint: FakeEndpoint, checkpoint: Path, *more: str) -> tuple[str, ...]:
    asked = ("--generator", "openai", "--model", "coder", "--base-url", endpoint.url, "--no-cache")
    return ("--checkpoint", str(checkpoint), *asked, "--threshold", "1", *more)


def test_a_dry_run_prints_the_prompt_and_the_cost(
    model: Path, checkpoint: Path, run: Run, endpoint: FakeEndpoint
) -> None:
    more = ("--dry-run", "--prompt", "thesis", "--usd-per-million", "1,2", "--answer-tokens", "1000")
    result = run("improve", model, *arguments(endpoint, checkpoint, *more))
    assert result.exit_code == 0, result.output
    assert "[system]\nYou improve" in result.stdout and "[user]\nWrite a new model" in result.stdout
    assert "Nothing was asked. About " in result.stdout and "at most 1,000 to write" in result.stdout
    assert "cost about $0.00" in result.stdout and "at most 40 such questions" in result.stdout
    result = run("improve", model, *arguments(endpoint, checkpoint, *more[:-2]))
    assert "the endpoint decides without --answer-tokens" in result.stdout and "$" not in result.stdout
    assert not endpoint.asked and not Path("nas-runs").exists()


def test_a_limit_ends_the_run_and_is_told(
    model: Path, checkpoint: Path, run: Run, endpoint: FakeEndpoint
) -> None:
    dear = json.loads(says(ANSWER).body)
    dear["usage"] = {"prompt_tokens": 2500, "completion_tokens": 500}
    endpoint.replies = [Reply(json.dumps(dear).encode())]
    more = ("--max-tokens", "7000", "--run-dir", "run", "--temperature", "0.1", "--timeout", "9")
    result = run("improve", model, *arguments(endpoint, checkpoint, *more))
    assert result.exit_code in (0, 1), result.output
    assert "the limit of --max-tokens was reached" in result.stdout
    count = len(endpoint.asked)
    assert f"{count} questions asked (0 from the cache)" in result.stdout and count >= 1
    assert "cost unknown: no --usd-per-million" in result.stdout
    assert endpoint.asked[0]["temperature"] == 0.1
    found = json.loads(Path("run/result.json").read_text())
    assert found["stopped"] == "tokens" and found["usage"]["prompt_tokens"] == 2500 * count
    assert result.exit_code == (0 if found["improved"] else 1)
    assert not (Path.cwd() / "cache").exists()


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("--max-usd", "1"), "--usd-per-million IN,OUT"),
        (("--max-usd", "-1"), "--max-usd -1: a limit is more than 0"),
        (("--max-seconds", "nan"), "--max-seconds nan"),
        (("--usd-per-million", "cheap"), "--usd-per-million 'cheap'"),
        (("--format", "poem"), "'poem'"),
        (("--prompt", "nowhere.md"), "--prompt nowhere.md: no such file"),
        (("--prompt", "thesis", "--format", "operations"), "not --format operations"),
        (("--temperature", "9"), "temperature 9"),
        (
            ("--generator", "mutate", "--prompt", "x"),
            "takes no --base-url, --cache, --model, --prompt: leave",
        ),
    ],
)
def test_bad_options(
    model: Path,
    checkpoint: Path,
    refused: Callable[..., str],
    endpoint: FakeEndpoint,
    more: tuple[str, ...],
    message: str,
) -> None:
    assert message in refused("improve", model, *arguments(endpoint, checkpoint, *more))
    assert not endpoint.asked


def test_a_dead_endpoint_is_bad_input(
    model: Path, checkpoint: Path, refused: Callable[..., str], endpoint: FakeEndpoint
) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    told = refused("improve", model, *arguments(endpoint, checkpoint, "--base-url", url))
    assert "cannot be reached (Connection refused)" in told and not Path("nas-runs").exists()
