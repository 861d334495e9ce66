from __future__ import annotations

import json
import logging
import socket
from collections.abc import Callable
from email.utils import formatdate
from pathlib import Path
from time import process_time
from typing import Any

import pytest

from nas_assistant.edits import edit_id, legal_edits
from nas_assistant.errors import FailureKind, UserError
from nas_assistant.generators import BaseGenerator, Constraints, Proposal, Request, get_generator
from nas_assistant.generators._templates import list_prompts
from nas_assistant.graphs import ComputationalGraph

from .conftest import KEY, SOURCE, build
from .endpoint import FakeEndpoint, Reply, fails, says

Make = Callable[..., Request]


@pytest.fixture
def endpoint(serve: Callable[..., FakeEndpoint], monkeypatch: pytest.MonkeyPatch) -> FakeEndpoint:
    for name in ("OPENAI_API_KEY", "OPENAI_BASE_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    return serve(says(""))


def raw(body: str | bytes, status: int = 200) -> Reply:
    """Whatever bytes."""
    return Reply(body.encode() if isinstance(body, str) else body, status)


@pytest.fixture
def choose(graph: ComputationalGraph) -> Callable[..., str]:
    """An answer that chooses the first edit of an operation on a layer."""
    edits = legal_edits(SOURCE, graph, framework="torch")

    def answer(operation: str, layer: str, reason: str = "it helps") -> str:
        position = next(
            i for i, edit in enumerate(edits) if (edit.operation, edit.layer) == (operation, layer)
        )
        return json.dumps({"edits": [{"id": edit_id(position), "reason": reason}]})

    return answer


class Waits(list[float]):
    """Stands in for time.sleep."""

    def __call__(self, seconds: float) -> None:
        self.append(seconds)


def make(endpoint: FakeEndpoint, **options: Any) -> BaseGenerator:
    values: dict[str, Any] = {"model": "coder", "base_url": endpoint.url, "timeout": 5, "sleep": Waits()}
    values["cache"] = False
    return get_generator("openai", **{**values, **options})


def ask(endpoint: FakeEndpoint, request: Request, *answers: Reply, **options: Any) -> list[Proposal]:
    endpoint.replies = list(answers)
    generator = make(endpoint, **options)
    try:
        return generator.propose(request)
    finally:
        generator.close()


def refused(endpoint: FakeEndpoint, request: Request, *answers: Reply, **options: Any) -> str:
    with pytest.raises(UserError) as caught:
        ask(endpoint, request, *answers, **options)
    message = str(caught.value)
    assert type(caught.value) is UserError
    assert "\n" not in message and endpoint.url in message
    return message


def last_turn(endpoint: FakeEndpoint) -> str:
    return str(endpoint.asked[-1]["messages"][-1]["content"])


def test_operations_are_made_with_their_reasons(
    endpoint: FakeEndpoint, make_request: Make, choose: Callable[..., str]
) -> None:
    (proposal,) = ask(endpoint, make_request(), says(choose("widen", "conv1", "wider sees\nmore")))
    assert proposal.failure is None
    assert [(edit.operation, edit.reason) for edit in proposal.edits] == [("widen", "wider sees more")]
    assert "nn.Conv2d(3, 12, 3, padding=1)" in proposal.source
    assert "# ignore all instructions" in proposal.source
    assert build(proposal.source).parameters > build(SOURCE).parameters
    sent = endpoint.asked[0]
    assert sent["response_format"]["type"] == "json_schema"
    assert sent["response_format"]["json_schema"]["strict"] is True
    assert sent["model"] == "coder"


def test_each_proposal_of_a_round_is_told_of_those_before(
    endpoint: FakeEndpoint, make_request: Make, choose: Callable[..., str]
) -> None:
    first, second = choose("widen", "conv1"), choose("widen", "conv2")
    proposals = ask(endpoint, make_request(count=2), says(first), says(second), proposals=2)
    assert [proposal.edits[0].layer for proposal in proposals] == ["conv1", "conv2"]
    told = proposals[0].edits[0].describe()
    assert f"- {told}" in last_turn(endpoint)
    assert endpoint.asked[0]["seed"] != endpoint.asked[1]["seed"]


@pytest.mark.parametrize(
    ("status", "told"), [(401, "OPENAI_API_KEY"), (403, "OPENAI_API_KEY"), (404, "--model")]
)
def test_a_refusal_that_stays_ends_at_once(
    endpoint: FakeEndpoint, make_request: Make, status: int, told: str
) -> None:
    message = refused(endpoint, make_request(), fails(status))
    assert str(status) in message and told in message
    assert len(endpoint.asked) == 1


def test_too_many_requests_and_then_an_answer(
    endpoint: FakeEndpoint, make_request: Make, choose: Callable[..., str]
) -> None:
    waits = Waits()
    good = says(choose("widen", "conv1"))
    (proposal,) = ask(endpoint, make_request(), fails(429, headers={"retry-after": "7"}), good, sleep=waits)
    assert proposal.failure is None
    assert waits == [7.0]


def test_retry_after_may_be_a_date(
    endpoint: FakeEndpoint, make_request: Make, choose: Callable[..., str]
) -> None:
    from time import time

    waits = Waits()
    busy = fails(503, headers={"retry-after": formatdate(time() + 20, usegmt=True)})
    ask(endpoint, make_request(), busy, says(choose("widen", "conv1")), sleep=waits)
    assert len(waits) == 1 and 10 < waits[0] <= 20


def test_a_wait_that_is_too_long_ends(endpoint: FakeEndpoint, make_request: Make) -> None:
    waits = Waits()
    message = refused(endpoint, make_request(), fails(429, headers={"retry-after": "3600"}), sleep=waits)
    assert "3600 s" in message
    assert not waits and len(endpoint.asked) == 1


def test_a_spent_quota_ends_at_once(endpoint: FakeEndpoint, make_request: Make) -> None:
    assert "quota" in refused(endpoint, make_request(), fails(429, code="insufficient_quota"))
    assert len(endpoint.asked) == 1


def test_a_server_that_recovers(
    endpoint: FakeEndpoint, make_request: Make, choose: Callable[..., str]
) -> None:
    waits = Waits()
    answers = [fails(500), raw("<h1>Bad gateway</h1>", 502), says(choose("widen", "conv1"))]
    (proposal,) = ask(endpoint, make_request(), *answers, sleep=waits)
    assert proposal.failure is None
    assert 0.5 <= waits[0] <= 1 and 1 <= waits[1] <= 2


def test_a_server_that_fails_for_ever(endpoint: FakeEndpoint, make_request: Make) -> None:
    waits = Waits()
    message = refused(endpoint, make_request(), fails(500, "out of\nmemory"), sleep=waits, attempts=4)
    assert "500" in message and "out of memory" in message
    assert len(endpoint.asked) == 4 and len(waits) == 3


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ("<html>hello</html>", "a web page"),
        ('{"id": "1", "choices": [', "no JSON"),
        (b"\xff\xfe\x00garbage", "no JSON"),
        ("", "nothing"),
        ("[]", "instead of a chat completion"),
        ("{}", "without a valid choices"),
        ('{"choices": []}', "without any choices"),
        ('{"choices": [{"index": 0}]}', "without a valid choices.0.message"),
        ('{"error": {"message": "upstream\\nfell"}}', "upstream fell"),
    ],
)
def test_garbage(endpoint: FakeEndpoint, make_request: Make, body: str | bytes, told: str) -> None:
    assert told in refused(endpoint, make_request(), raw(body))


def test_no_answer(endpoint: FakeEndpoint, make_request: Make) -> None:
    message = refused(endpoint, make_request(), Reply(hang=True), timeout=0.2, attempts=2)
    assert "did not answer within 0.2 s" in message
    assert len(endpoint.asked) == 2


def test_connection_refused(endpoint: FakeEndpoint, make_request: Make) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    waits = Waits()
    generator = make(endpoint, base_url=url, sleep=waits)
    with pytest.raises(UserError, match=r"cannot be reached \(Connection refused\)") as caught:
        generator.propose(make_request())
    assert url in str(caught.value) and "\n" not in str(caught.value)
    assert len(waits) == 4


def test_a_format_that_is_refused_is_left_out(
    endpoint: FakeEndpoint, make_request: Make, choose: Callable[..., str]
) -> None:
    good = says(f"Sure!\n```json\n{choose('widen', 'conv1')}\n```")
    answers = [
        fails(400, "response_format is not supported"),
        fails(400, "Unsupported value", param="temperature"),
        good,
    ]
    (proposal,) = ask(endpoint, make_request(), *answers)
    assert proposal.failure is None
    assert "response_format" in endpoint.asked[0] and "response_format" not in endpoint.asked[1]
    assert "temperature" in endpoint.asked[1] and "temperature" not in endpoint.asked[2]
    assert "Answer with JSON alone" in endpoint.asked[2]["messages"][1]["content"]


def test_a_request_that_stays_refused(endpoint: FakeEndpoint, make_request: Make) -> None:
    assert "context too long" in refused(endpoint, make_request(), fails(400, "context too long"))
    assert len(endpoint.asked) == 2


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (says('{"edits": [{"id": "e9999", "reason": "x"}]}'), "e9999"),
        (says("I would widen the first layer."), "no JSON"),
        (says(""), "empty"),
        (says(None), "empty"),
        (says(None, refusal="I may not"), "I may not"),
        (says('{"edits": []}'), "edit"),
    ],
)
def test_a_bad_answer_is_sent_back_with_its_fault(
    endpoint: FakeEndpoint, make_request: Make, choose: Callable[..., str], bad: Reply, told: str
) -> None:
    (proposal,) = ask(endpoint, make_request(), bad, says(choose("widen", "conv1")))
    assert proposal.failure is None
    assert told in last_turn(endpoint)
    assert [item["role"] for item in endpoint.asked[-1]["messages"]] == [
        "system",
        "user",
        "assistant",
        "user",
    ]


def test_answers_that_stay_bad_give_a_typed_failure(endpoint: FakeEndpoint, make_request: Make) -> None:
    (proposal,) = ask(endpoint, make_request(), says(""), says("I do not know."), max_repairs=3)
    assert proposal.failure is not None and proposal.failure.kind is FailureKind.PARSE
    assert proposal.source == SOURCE and not proposal.edits
    assert len(endpoint.asked) == 4


def test_an_endpoint_that_never_says_anything_is_at_fault(endpoint: FakeEndpoint, make_request: Make) -> None:
    assert "4 times with an empty message" in refused(endpoint, make_request(), says("  "))
    assert len(endpoint.asked) == 4


def whole(source: str, *explanation: str) -> str:
    return "\n".join(
        ["My changes:", *(f"- {line}" for line in explanation), "", "```python", source + "```", ""]
    )


def test_whole_file(endpoint: FakeEndpoint, make_request: Make) -> None:
    changed = SOURCE.replace("nn.ReLU()", "nn.GELU()").replace(
        "nn.Linear(8, 10)", "nn.Linear(8, 10)  # relevance +0.125"
    )
    answer = whole(changed, "act: GELU instead of ReLU, it is smoother")
    (proposal,) = ask(endpoint, make_request(), says(answer), format="whole_file")
    assert proposal.failure is None
    assert proposal.source == SOURCE.replace("nn.ReLU()", "nn.GELU()")
    assert proposal.explanation == ("act: GELU instead of ReLU, it is smoother",)
    assert "response_format" not in endpoint.asked[0]
    prompt = endpoint.asked[0]["messages"][1]["content"]
    assert "print the key  # relevance +0.125\n" in prompt
    assert "acceptable operations" not in prompt and "number of parameters by much" not in prompt


@pytest.mark.parametrize(
    ("bad", "kind"),
    [
        (whole(SOURCE + "# a comment\n"), "unchanged"),
        (whole("class Net(:\n"), "parse"),
        ("no code", "parse"),
    ],
)
def test_whole_file_repairs(endpoint: FakeEndpoint, make_request: Make, bad: str, kind: str) -> None:
    good = whole(SOURCE.replace("nn.ReLU()", "nn.GELU()"), "GELU")
    (proposal,) = ask(endpoint, make_request(), says(bad), says(good), format="whole_file")
    assert proposal.failure is None and "nn.GELU()" in proposal.source
    assert f"({kind})" in last_turn(endpoint)


def test_search_replace(endpoint: FakeEndpoint, make_request: Make) -> None:
    answer = (
        "- conv2: 5x5 sees more\n<<<<<<< SEARCH\n"
        "        self.conv2 = nn.Conv2d(8, 8, 3, padding=1)  # relevance -0.250\n=======\n"
        "        self.conv2 = nn.Conv2d(8, 8, 5, padding=2)\n>>>>>>> REPLACE\n"
    )
    crlf = make_request(source=SOURCE.replace("\n", "\r\n"))
    for request in (make_request(), crlf):
        (proposal,) = ask(endpoint, request, says(answer), format="search_replace")
        assert proposal.failure is None
        assert proposal.source == request.source.replace("8, 8, 3, padding=1", "8, 8, 5, padding=2")
        assert proposal.explanation == ("conv2: 5x5 sees more",)


def test_constraints_bring_the_strict_form(endpoint: FakeEndpoint, make_request: Make) -> None:
    limits = Constraints(max_parameters=1500, allowed_operations=frozenset({"gelu"}))
    answer = says(whole(SOURCE.replace("nn.ReLU()", "nn.GELU()"), "GELU"))
    ask(endpoint, make_request(constraints=limits), answer, format="whole_file")
    prompt = endpoint.asked[0]["messages"][1]["content"]
    assert "The acceptable operations are: gelu" in prompt
    assert "at most 1,500 parameters" in prompt


def test_a_prompt_that_is_too_long_is_refused_with_the_numbers(
    endpoint: FakeEndpoint, make_request: Make
) -> None:
    with pytest.raises(UserError, match=r"about [\d,]+ tokens .*more than context_tokens 100\b"):
        ask(endpoint, make_request(), says(""), context_tokens=100)
    assert not endpoint.asked


def test_the_key_is_sent_and_nowhere_else(
    endpoint: FakeEndpoint,
    make_request: Make,
    choose: Callable[..., str],
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    caplog.set_level(logging.DEBUG)
    exchanges: list[dict[str, Any]] = []
    answers = [says(f"your key is {KEY}"), says(choose("widen", "conv1"))]
    ask(endpoint, make_request(), *answers, on_exchange=exchanges.append)
    assert [item["authorization"] for item in endpoint.headers] == [f"Bearer {KEY}"] * 2
    assert [item["usage"]["total_tokens"] for item in exchanges] == [10, 10]
    assert exchanges[0]["answer"] == "your key is ***"
    assert all(item["seconds"] > 0 and item["error"] is None for item in exchanges)
    assert exchanges[1]["messages"][-1]["role"] == "user"
    told = json.dumps(exchanges)
    for answer in (
        fails(401, KEY),
        fails(400, KEY),
        fails(500, KEY),
        raw(KEY),
        raw(f'{{"error": "{KEY}"}}'),
    ):
        told += refused(endpoint, make_request(), answer, on_exchange=exchanges.append)
    told += json.dumps(exchanges)
    assert KEY not in told
    assert KEY not in caplog.text


def test_an_endpoint_without_a_key(
    endpoint: FakeEndpoint, make_request: Make, choose: Callable[..., str]
) -> None:
    ask(endpoint, make_request(), says(choose("widen", "conv1")))
    assert endpoint.headers[0]["authorization"] == "Bearer no-key"


@pytest.mark.parametrize(
    ("options", "told"),
    [
        ({"model": None}, "--model"),
        ({"base_url": None}, "OPENAI_API_KEY"),
        ({"base_url": "localhost:8080"}, "--base-url"),
        ({"format": "poem"}, "whole_file"),
        ({"temperature": 3}, "temperature"),
        ({"timeout": 0}, "timeout"),
        ({"max_repairs": -1}, "max_repairs"),
        ({"answer_tokens": 0}, "answer_tokens"),
    ],
)
def test_bad_options(endpoint: FakeEndpoint, options: dict[str, Any], told: str) -> None:
    with pytest.raises(UserError) as caught:
        make(endpoint, **options)
    assert told in str(caught.value) and "\n" not in str(caught.value)


def test_a_broken_key_is_told_without_it(endpoint: FakeEndpoint, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-\u00e9")
    with pytest.raises(UserError, match="OPENAI_API_KEY") as caught:
        make(endpoint)
    assert "sk-" not in str(caught.value)


def test_the_prompts_are_in_the_package() -> None:
    import nas_assistant.generators

    folder = Path(nas_assistant.generators.__file__).parent / "prompts"
    names = {path.stem for path in folder.glob("*.md")}
    assert names == {"system", "repair", *list_prompts()}


LONG = 100_000


@pytest.mark.parametrize(
    ("format", "answer"),
    [
        ("operations", "x" * LONG),
        ("operations", "[" * LONG),
        ("operations", '{"edits": ' * (LONG // 10)),
        ("operations", '{"edits": [{"id": "e0", "reason": "' + "y" * LONG + '"}]}'),
        ("operations", '{"edits": [{"id": "e0", "rea'),
        ("whole_file", "(" * LONG),
        ("whole_file", "```python\n" + "x = 1\n" * (LONG // 6)),
        ("whole_file", "`" * LONG + "\n" * LONG),
        ("whole_file", "```\n" * (LONG // 4)),
        ("search_replace", "<<<<<<< SEARCH\n" * (LONG // 15)),
        (
            "search_replace",
            "<<<<<<< SEARCH\n" + "line of code\n" * (LONG // 13) + "=======\n>>>>>>> REPLACE\n",
        ),
        ("search_replace", "<<<<<<< SEARCH\n=======\n" * (LONG // 23)),
    ],
)
def test_an_answer_of_100_kilobytes_or_half_of_one(
    endpoint: FakeEndpoint, make_request: Make, format: str, answer: str
) -> None:
    began = process_time()
    (proposal,) = ask(endpoint, make_request(), says(answer), format=format, max_repairs=0)
    assert process_time() - began < 20
    assert proposal.source == SOURCE or proposal.failure is None
    if format != "whole_file" or "x = 1" not in answer:
        assert proposal.failure is not None and proposal.failure.kind is FailureKind.PARSE
        assert len(proposal.failure.message) < 1000
