from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import pytest

from nas_assistant.errors import UserError
from nas_assistant.generators import LimitReached
from nas_assistant.generators._chat import Answer, Endpoint
from nas_assistant.generators._faults import retry_after

from .endpoint import FakeEndpoint, Reply, fails, says

Serve = Callable[..., FakeEndpoint]
QUESTION = [{"role": "user", "content": "hello"}]


@pytest.fixture(autouse=True)
def no_key(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")


def ask(fake: FakeEndpoint, **options: Any) -> Answer:
    parameters = options.pop("parameters", {})
    endpoint = Endpoint("coder", fake.url, **{"timeout": 5.0, "sleep": lambda _: None, **options})
    try:
        return endpoint.ask(QUESTION, **parameters)
    finally:
        endpoint.close()


def refused(fake: FakeEndpoint, **options: Any) -> str:
    with pytest.raises(UserError) as caught:
        ask(fake, **options)
    message = str(caught.value)
    assert type(caught.value) is UserError and "\n" not in message and fake.url in message
    return message


def test_an_answer_that_drips_is_cut_at_the_timeout(serve: Serve) -> None:
    fake = serve(Reply(b" " * 2000, drip=True))  # 100 s of it
    began = time.monotonic()
    assert "did not answer within 0.3 s" in refused(fake, timeout=0.3, attempts=1)
    assert time.monotonic() - began < 30


def test_no_try_begins_once_patience_is_over(serve: Serve) -> None:
    fake = serve(Reply(hang=True))
    message = refused(fake, timeout=0.2, attempts=50, patience=0.2)
    assert len(fake.asked) == 1 and "did not answer" in message


def test_a_connection_that_is_closed_without_an_answer(serve: Serve) -> None:
    fake = serve(Reply(hang=True))
    fake.over.set()
    assert "broke the connection off" in refused(fake, attempts=2)


@pytest.mark.parametrize("status", [200, 500, 400])
def test_a_body_that_breaks_off(serve: Serve, status: int) -> None:
    message = refused(serve(Reply(b'{"choices": [', status, cut=True)), attempts=2)
    assert "broke off within its answer" in message and "2 tries" in message


@pytest.mark.parametrize("status", [200, 500])
def test_a_body_that_cannot_be_decoded(serve: Serve, status: int) -> None:
    fake = serve(Reply(b"not gzip", status, {"Content-Encoding": "gzip"}))
    assert "broke off within its answer" in refused(fake, attempts=1)


def test_a_body_without_end(serve: Serve) -> None:
    fake = serve(Reply(b" " * (9 * 2**20)))
    assert "more than 8,388,608 bytes" in refused(fake, attempts=1)


def test_json_that_is_nested_too_deeply(serve: Serve) -> None:
    assert "no JSON" in refused(serve(Reply(b"[" * 200_000)), attempts=1)


def test_a_web_page_as_an_error_is_not_shown(serve: Serve) -> None:
    message = refused(serve(Reply(b"<html><body>oops</body></html>", 502, kind="text/html")), attempts=1)
    assert "502" in message and "oops" not in message


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("<think>first {1}</think>\nyes", "yes"),
        ("yes <think>no</think>", "yes <think>no</think>"),
        ([{"type": "text", "text": "a"}, {"type": "text", "text": "b"}], "ab"),
        (None, ""),
    ],
)
def test_the_text_of_an_answer(serve: Serve, content: Any, text: str) -> None:
    assert ask(serve(says(content))).text.strip() == text


def test_refused_parameters_are_left_out_from_then_on(serve: Serve) -> None:
    fake = serve(fails(400, "Unknown parameter: 'seed'."), says("yes"))
    endpoint = Endpoint("coder", fake.url, sleep=lambda _: None)
    for _ in range(2):
        assert endpoint.ask(QUESTION, seed=1, temperature=0.5, max_tokens=None).text == "yes"
    endpoint.close()
    assert [sorted(set(asked) - {"messages", "model"}) for asked in fake.asked] == [
        ["seed", "temperature"],
        ["temperature"],
        ["temperature"],
    ]


def test_waits_grow_within_their_bounds(serve: Serve) -> None:
    waits: list[float] = []
    refused(serve(fails(503)), sleep=waits.append, attempts=7, patience=1000.0)
    bounds = [1, 2, 4, 8, 16, 30]
    assert len(waits) == len(bounds)
    assert all(bound / 2 <= wait <= bound for wait, bound in zip(waits, bounds, strict=True))


def test_the_clock_bounds_the_tries(serve: Serve) -> None:
    now = [0.0]

    def sleep(seconds: float) -> None:
        now[0] += seconds

    fake = serve(fails(503))
    refused(fake, sleep=sleep, clock=lambda: now[0], attempts=1000, patience=60.0)
    assert 4 <= len(fake.asked) < 12 and now[0] <= 60


def test_a_wait_beyond_the_deadline_is_a_limit(serve: Serve) -> None:
    with pytest.raises(LimitReached, match="seconds"):
        ask(serve(fails(503)), clock=lambda: 0.0, parameters={"deadline": 0.4})


TOO_MANY = (
    "'max_tokens' or 'max_completion_tokens' is too large: 4096. This model's maximum context length is 9"
)


@pytest.mark.parametrize(
    "error",
    [
        fails(400, TOO_MANY),
        fails(400, "This model supports at most 16384 completion tokens", param="max_tokens"),
        fails(400, "This model's maximum context length is 2048 tokens, you asked for 4996"),
    ],
)
@pytest.mark.parametrize("needed", [(), ("max_tokens",)])
def test_too_long_an_answer_is_not_asked_without_its_limit(
    serve: Serve, error: Reply, needed: tuple[str, ...]
) -> None:
    fake = serve(error, says("yes"))
    parameters = {"needed": needed, "max_tokens": 4096, "response_format": {"type": "json_object"}}
    assert "refused the request (400" in (told := refused(fake, parameters=parameters))
    assert "--answer-tokens" in told and len(fake.asked) == 1


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"retry-after": "1.5"}, 1.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "-3"}, 0.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, 0.0),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "inf"}, None),
        ({}, None),
    ],
)
def test_retry_after(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


@pytest.mark.parametrize(
    "url",
    [
        "localhost:8080",
        "ftp://127.0.0.1",
        "http://",
        "http://127.0.0.1:99999/v1",
        "http://a b/v1",
        "http://[::1/v1",
        "http://me:hunter2@127.0.0.1/v1",
        "https://host/v1?api-key=hunter2",
    ],
)
def test_a_base_url_that_cannot_be_asked(url: str) -> None:
    with pytest.raises(UserError, match="--base-url") as caught:
        Endpoint("coder", url)
    assert "hunter2" not in str(caught.value) and "\n" not in str(caught.value)


def test_the_base_url_may_come_from_the_environment(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = serve(says("yes"))
    monkeypatch.setenv("OPENAI_BASE_URL", fake.url + "/")
    assert Endpoint("coder").ask(QUESTION).text == "yes"


def test_a_short_key_does_not_blot_out_text(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "e")
    assert ask(serve(says("the tree"))).text == "the tree"


def test_space_around_the_key_is_dropped(serve: Serve, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", " sk-0123456789\r\n")
    fake = serve(says("yes"))
    ask(fake)
    assert fake.headers[0]["authorization"] == "Bearer sk-0123456789"
