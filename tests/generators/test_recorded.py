from __future__ import annotations

import json
import socket
import sqlite3
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from nas_assistant.errors import Failure, FailureKind, UserError
from nas_assistant.generators import LimitReached, Limits, Usage
from nas_assistant.generators._cache import AnswerCache
from nas_assistant.generators._chat import Endpoint
from nas_assistant.generators._exchanges import CACHE, ENDPOINT, ExchangeLog
from nas_assistant.generators._ledger import Prices
from nas_assistant.generators._recorded import RecordedEndpoint

from .conftest import KEY
from .endpoint import FakeEndpoint, Reply, fails, says

Serve = Callable[..., FakeEndpoint]
QUESTION = [{"role": "user", "content": "hello " * 10}]
TOKENS = 15


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def make(fake: FakeEndpoint, cache: AnswerCache | None = None, **options: Any) -> RecordedEndpoint:
    endpoint = Endpoint("coder", fake.url, **{"timeout": 5.0, "sleep": lambda _: None, **options})
    return RecordedEndpoint(endpoint, Prices(1, 2), cache)


def rows(folder: Path) -> list[dict[str, Any]]:
    data = sqlite3.connect(folder / "exchanges.sqlite")
    data.row_factory = sqlite3.Row
    found = [dict(row) for row in data.execute("SELECT * FROM exchanges ORDER BY id")]
    data.close()
    return found


def test_an_exchange_is_written_down(serve: Serve, tmp_path: Path) -> None:
    asked = make(serve(says("yes \ud800")))
    asked.begin(tmp_path, Limits())
    answer, number = asked.ask(QUESTION, 4, temperature=0.5, max_tokens=None)
    asked.fail(number, Failure(FailureKind.PARSE, "no JSON"))
    asked.close()
    (row,) = rows(tmp_path)
    assert answer.text.startswith("yes") and row["answer"] == "yes ?"
    assert row["candidate"] == 4 and row["model"] == "coder" and row["answered_by"] == "endpoint"
    assert json.loads(row["prompt"]) == QUESTION and json.loads(row["parameters"]) == {"temperature": 0.5}
    assert (row["prompt_tokens"], row["answer_tokens"], row["counted"]) == (7, 3, 1)
    assert row["usd"] == pytest.approx(13e-6) and row["seconds"] > 0 and row["time"].endswith("Z")
    assert row["failure"] == "parse: no JSON"


def _note(log: ExchangeLog, by: str, tokens: int, usd: float | None) -> None:
    told: dict[str, Any] = {"candidate": 1, "key": "k", "place": 0, "endpoint": "e", "model": "m"}
    log.ask(**told, by=by, parameters={}, messages=QUESTION, tokens=tokens, usd=usd)


def test_a_cost_of_which_a_part_is_unknown_is_unknown(tmp_path: Path) -> None:
    log = ExchangeLog(tmp_path)
    _note(log, ENDPOINT, 10, 0.0)  # free
    _note(log, CACHE, 0, None)
    assert log.usage() == Usage(1, 1, 10, 0, 0.0)
    _note(log, ENDPOINT, 20, None)
    assert log.usage() == Usage(2, 1, 30, 0, None)
    assert log.usage(Prices(1, 1)).usd == pytest.approx(20e-6)
    log.close()


def test_what_was_paid_for_is_not_asked_again(serve: Serve, tmp_path: Path) -> None:
    fake = serve(says("first"), says("second"), says("third"))
    once = make(fake)
    once.begin(tmp_path, Limits())
    told = [once.ask(QUESTION, 1, seed=1)[0].text for _ in range(2)]
    spent = once.usage
    once.close()
    again = make(fake)
    again.begin(tmp_path, Limits())
    assert again.usage == spent and spent.asked == 2
    assert [again.ask(QUESTION, 1, seed=1)[0].text for _ in range(2)] == told == ["first", "second"]
    assert len(fake.asked) == 2 and again.usage == spent
    for candidate, seed in ((2, 1), (1, 2)):
        assert again.ask(QUESTION, candidate, seed=seed)[0].text == "third"
    again.close()
    assert len(fake.asked) == 4


def test_a_question_whose_answer_was_lost_in_a_kill_counts(serve: Serve, tmp_path: Path) -> None:
    def die(asked: dict[str, Any]) -> Reply:
        (row,) = rows(tmp_path)
        assert row["answer"] is None and row["prompt_tokens"] == TOKENS
        return says("yes")

    asked = make(serve(die))
    asked.begin(tmp_path, Limits())
    assert asked.ask(QUESTION, 1)[0].text == "yes"
    asked.close()


def test_the_cache_answers_in_another_run(serve: Serve, tmp_path: Path) -> None:
    fake = serve(says("first"), says("second"))
    cache = AnswerCache(tmp_path / "cache")
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        asked = make(fake, cache)
        asked.begin(tmp_path / name, Limits())
        assert asked.ask(QUESTION, 1, seed=1)[0].text == "first"
        usage = asked.usage
        asked.close()
    assert len(fake.asked) == 1 and (usage.asked, usage.spared, usage.tokens) == (0, 1, 0)
    (row,) = rows(tmp_path / "two")
    assert row["answered_by"] == "cache" and row["answer"] == "first" and not row["usd"]
    for changed in ({"seed": 2}, {"seed": 1, "temperature": 0.1}):
        other = make(fake, cache)
        assert other.ask(QUESTION, 1, **changed)[0].text == "second"
        other.close()
    assert not any("hello" in path.read_text() for path in cache.folder.rglob("*.json"))


def test_what_is_not_kept_in_the_cache(serve: Serve, tmp_path: Path) -> None:
    cache = AnswerCache(tmp_path / "cache")
    for reply in (says(""), says("half an ans", finish="length")):
        asked = make(serve(reply), cache)
        asked.ask(QUESTION, 1)
        asked.close()
    assert not list((tmp_path / "cache").rglob("*.json"))


def test_a_cache_that_is_damaged_or_cannot_be_written_is_passed_over(serve: Serve, tmp_path: Path) -> None:
    fake = serve(says("yes"))
    cache = AnswerCache(tmp_path / "cache")
    for _ in range(2):
        asked = make(fake, cache)
        assert asked.ask(QUESTION, 1)[0].text == "yes"
        asked.close()
        for path in cache.folder.rglob("*.json"):
            path.write_text('{"answer": ')
    (tmp_path / "file").write_text("")
    asked = make(fake, AnswerCache(tmp_path / "file"))
    assert asked.ask(QUESTION, 1)[0].text == "yes"
    asked.close()
    assert len(fake.asked) == 3


def test_a_limit_is_kept_over_a_resumption(serve: Serve, tmp_path: Path) -> None:
    fake = serve(says("yes"))
    for _ in range(2):
        asked = make(fake)
        asked.begin(tmp_path, Limits(max_tokens=100))
        with pytest.raises(LimitReached, match="tokens"):
            for seed in range(99):
                asked.ask(QUESTION, 1, seed=seed)
        spent = asked.usage.tokens
        asked.close()
    assert 0 < spent <= 100
    assert all(body["max_tokens"] <= 100 for body in fake.asked)
    assert sum(row["prompt_tokens"] + row["answer_tokens"] for row in rows(tmp_path)) == spent
    count = len(fake.asked)
    assert count == spent // 10


def test_a_limit_needs_an_endpoint_that_takes_one(serve: Serve, tmp_path: Path) -> None:
    fake = serve(fails(400, "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens'."), says("yes"))
    asked = make(fake)
    asked.begin(tmp_path, Limits(max_usd=1))
    assert asked.ask(QUESTION, 1)[0].text == "yes"
    assert "max_completion_tokens" in fake.asked[1] and "max_tokens" not in fake.asked[1]
    asked.close()
    stubborn = serve(
        fails(400, "Unknown parameter: 'max_tokens'"), fails(400, "Unknown 'max_completion_tokens'")
    )
    asked = make(stubborn)
    asked.begin(tmp_path, Limits(max_usd=1))
    with pytest.raises(UserError, match="takes no limit on the tokens"):
        asked.ask(QUESTION, 1)
    asked.close()


def test_the_time_is_kept(serve: Serve, tmp_path: Path) -> None:
    asked = make(serve(Reply(hang=True)), timeout=30.0)
    began = time.monotonic()
    asked.begin(tmp_path, Limits(deadline=began + 2.0))
    with pytest.raises(LimitReached, match="seconds"):
        asked.ask(QUESTION, 1)
    assert time.monotonic() - began < 25  # the endpoint's own patience is 30 s
    asked.close()
    (row,) = rows(tmp_path)
    assert row["failure"] == "the limit of seconds was reached" and row["prompt_tokens"] == TOKENS


def test_a_wait_beyond_the_time_ends_at_once(serve: Serve, tmp_path: Path) -> None:
    fake = serve(fails(429, headers={"retry-after": "50"}))
    asked = make(fake)
    asked.begin(tmp_path, Limits(deadline=time.monotonic() + 40))
    with pytest.raises(LimitReached, match="seconds"):
        asked.ask(QUESTION, 1)
    asked.close()
    assert len(fake.asked) == 1 and rows(tmp_path)[0]["prompt_tokens"] == 0


def test_a_limit_holds_over_answers_that_were_lost(serve: Serve, tmp_path: Path) -> None:
    def leave(asked: dict[str, Any]) -> Reply:
        charged.append((rows(tmp_path)[0]["prompt_tokens"], rows(tmp_path)[0]["answer_tokens"]))
        return Reply(b'{"choices"')

    fake, charged = serve(leave), list[tuple[int, int]]()
    asked = make(fake)
    asked.begin(tmp_path, Limits(max_tokens=300))
    with pytest.raises(LimitReached, match="tokens"):
        asked.ask(QUESTION, 1, max_tokens=100)
    assert charged == [(TOKENS, 0), (TOKENS, 100)]  # a third try might pass the limit
    assert asked.usage.tokens == 2 * (TOKENS + 100)
    asked.close()
    (row,) = rows(tmp_path)
    assert row["failure"] == "the limit of tokens was reached"


def test_a_web_page_costs_nothing(serve: Serve, tmp_path: Path) -> None:
    asked = make(serve(Reply(b"<html>log in</html>", kind="text/html")))
    asked.begin(tmp_path, Limits(max_tokens=300))
    with pytest.raises(UserError, match="a web page"):
        asked.ask(QUESTION, 1)
    assert asked.usage.tokens == 0
    asked.close()


def test_half_a_letter_in_an_answer_is_kept_in_the_cache(serve: Serve, tmp_path: Path) -> None:
    fake, cache = serve(says("yes \ud83d")), AnswerCache(tmp_path)
    for _ in range(2):
        asked = make(fake, cache)
        assert asked.ask(QUESTION, 1)[0].text == "yes \ud83d"
        asked.close()
    assert len(fake.asked) == 1


def test_answers_that_were_lost_are_charged_as_estimated(serve: Serve, tmp_path: Path) -> None:
    asked = make(serve(Reply(b"{", cut=True), fails(500), says("yes")))
    asked.begin(tmp_path, Limits())
    asked.ask(QUESTION, 1)
    assert asked.usage.prompt_tokens == TOKENS + 7
    asked.close()


def test_an_endpoint_that_fails_is_written_down(serve: Serve, tmp_path: Path) -> None:
    asked = make(serve(fails(500, "out of memory")), attempts=1)
    asked.begin(tmp_path, Limits())
    with pytest.raises(UserError):
        asked.ask(QUESTION, 1)
    asked.close()
    (row,) = rows(tmp_path)
    assert row["answer"] is None and "out of memory" in row["failure"]


def test_the_key_is_not_written_down(serve: Serve, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    cache = AnswerCache(tmp_path / "cache")
    asked = make(serve(says(f"the key is {KEY}")), cache)
    asked.begin(tmp_path, Limits())
    asked.ask([{"role": "user", "content": f"mine is {KEY}"}], 1)
    asked.close()
    written = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
    assert len(written) == 2 and not any(KEY.encode() in data for data in written)


def test_a_log_that_is_damaged_is_named(serve: Serve, tmp_path: Path) -> None:
    (tmp_path / "exchanges.sqlite").write_text("no data base at all, but long enough to look like one" * 99)
    asked = make(serve(says("yes")))
    with pytest.raises(UserError, match=r"exchanges\.sqlite: cannot be used"):
        asked.begin(tmp_path, Limits())
    asked.close()


def test_a_limit_of_dollars_needs_prices(serve: Serve) -> None:
    asked = RecordedEndpoint(Endpoint("coder", serve(says("yes")).url), None, None)
    with pytest.raises(UserError, match="--usd-per-million IN,OUT"):
        asked.check(Limits(max_usd=1))
    asked.close()


def test_what_was_asked_without_prices_counts_at_those_of_now(serve: Serve, tmp_path: Path) -> None:
    unpriced = RecordedEndpoint(Endpoint("coder", serve(says("yes")).url), None, None)
    unpriced.begin(tmp_path, Limits())
    unpriced.ask(QUESTION, 1)
    assert unpriced.usage.usd is None
    unpriced.close()
    asked = make(serve(says("yes")))
    asked.begin(tmp_path, Limits())
    assert asked.usage.usd == pytest.approx(13e-6)
    asked.close()


def test_an_endpoint_that_is_not_there_is_met_at_once() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    endpoint = Endpoint("coder", url)
    with pytest.raises(UserError, match=r"cannot be reached \(Connection refused\)"):
        endpoint.check()
    endpoint.close()


@pytest.mark.parametrize(
    ("reply", "good"),
    [
        (fails(401, "wrong key"), False),
        (fails(401, "missing scopes: models.read"), True),
        (fails(404), True),
        (fails(500), True),
        (Reply(b"<html>"), True),
        (Reply(hang=True), True),
    ],
)
def test_what_the_check_makes_of_an_endpoint(serve: Serve, reply: Reply, good: bool) -> None:
    fake = serve(reply)
    endpoint = Endpoint("coder", fake.url, timeout=0.5)
    if good:
        endpoint.check()
    else:
        with pytest.raises(UserError, match="401"):
            endpoint.check()
    endpoint.close()
    assert not fake.asked and fake.looked == 1
