from __future__ import annotations

import json
import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nas_assistant.errors import FailureKind, MissingExtraError, UserError
from nas_assistant.generators import (
    BaseGenerator,
    Constraints,
    LimitReached,
    Limits,
    Request,
    find_model,
    get_generator,
    models_dir,
)

from .conftest import KEY, build
from .endpoint import FakeEndpoint, says
from .gbnf import compile_grammar

FAKE = Path(__file__).parent / "fake_llama"
MODELS = models_dir()  # taken before a test has a cache of its own
Make = Callable[..., BaseGenerator]


class Fake:
    """The model of these tests, and what it was asked."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = folder / "model.gguf"
        self.path.write_bytes(b"GGUF and no more")
        self.log = folder / "log"
        self._patch = monkeypatch
        monkeypatch.syspath_prepend(str(FAKE))
        monkeypatch.setenv("PYTHONPATH", str(FAKE))
        monkeypatch.setenv("FAKE_LLAMA_LOG", str(self.log))
        self.does("obey")

    def does(self, *modes: str) -> None:
        self._patch.setenv("FAKE_LLAMA", ",".join(modes))

    @property
    def asked(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.log.read_text().splitlines()]


@pytest.fixture
def fake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Fake:
    return Fake(tmp_path, monkeypatch)


@pytest.fixture
def make(fake: Fake) -> Iterator[Make]:
    made: list[BaseGenerator] = []

    def make(**options: Any) -> BaseGenerator:
        made.append(get_generator("llama_cpp", **{"model": str(fake.path), "threads": 1, **options}))
        return made[-1]

    yield make
    for generator in made:
        generator.close()


def test_samples_are_valid_and_read_one_prompt_once(
    fake: Fake, make: Make, make_request: Callable[..., Request]
) -> None:
    request = make_request(count=3)
    proposals = make().propose(request)
    assert len(proposals) == 3 and all(proposal.failure is None for proposal in proposals)
    before = build(request.source).hash
    for proposal in proposals:
        assert build(proposal.source).hash != before
        assert [edit.reason for edit in proposal.edits] == ["It helps"]
    assert len({proposal.source for proposal in proposals}) == 3
    bodies = [question["body"] for question in fake.asked]
    assert len(bodies) == 4 and len({question["pid"] for question in fake.asked}) == 1
    assert bodies[0]["cache_prompt"] is False and bodies[0]["max_tokens"] == 1
    assert all(body["cache_prompt"] is True for body in bodies[1:])
    assert all(body["messages"] == bodies[0]["messages"] for body in bodies)
    assert [body["seed"] for body in bodies[1:]] == [0, 1, 2]
    answer = json.dumps({"edits": [{"id": "e9999", "reason": "x"}]})
    assert all(not compile_grammar(body["grammar"]).fullmatch(answer) for body in bodies[1:])


def test_equal_requests_give_equal_proposals(make: Make, make_request: Callable[..., Request]) -> None:
    first = make().propose(make_request(count=2, seed=5))
    assert make().propose(make_request(count=2, seed=5)) == first
    assert make(seed=1).propose(make_request(count=2, seed=4)) == first


def test_the_process_gets_no_secrets_and_does_not_spin(
    fake: Fake, make: Make, make_request: Callable[..., Request], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    make().propose(make_request())
    environment = fake.asked[0]["environment"]
    assert environment == {
        "OMP_WAIT_POLICY": "passive",
        "GOMP_SPINCOUNT": "0",
        "OPENAI_API_KEY": None,
        "PATH": os.environ["PATH"],
    }


def test_a_reason_copied_from_the_prompt_is_none(
    fake: Fake, make: Make, make_request: Callable[..., Request]
) -> None:
    fake.does("copy")
    (proposal,) = make().propose(make_request())
    assert proposal.failure is None and proposal.edits[0].reason == ""


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def test_a_killed_process_is_a_failure_and_the_next_one_goes_on(
    fake: Fake, make: Make, make_request: Callable[..., Request]
) -> None:
    fake.does("obey", "die", "obey")
    first, second = make().propose(make_request(count=2))
    assert first.failure is not None and first.failure.kind is FailureKind.PARSE
    assert "was killed (signal 9 SIGKILL) before it answered: GGML_ASSERT failed" in first.failure.message
    assert second.failure is None
    assert len({question["pid"] for question in fake.asked}) == 2
    assert [question["body"]["cache_prompt"] for question in fake.asked] == [False, True, False, True]


def test_a_process_that_always_dies_ends_the_run(
    fake: Fake, make: Make, make_request: Callable[..., Request]
) -> None:
    fake.does("die")
    with pytest.raises(UserError, match=r"model\.gguf: .*3 times in a row.*check that the memory") as caught:
        make().propose(make_request(count=4))
    assert len(str(caught.value).splitlines()) == 1


def test_a_hang_is_a_timeout_and_the_process_is_ended(
    fake: Fake, make: Make, make_request: Callable[..., Request]
) -> None:
    fake.does("obey", "hang", "obey")
    generator = make(timeout=2.0)
    first, second = generator.propose(make_request(count=2))
    assert first.failure is not None and first.failure.kind is FailureKind.TIMEOUT
    assert "did not answer within 2 s" in first.failure.message and second.failure is None
    assert not alive(fake.asked[1]["pid"])
    pid = fake.asked[-1]["pid"]
    assert alive(pid)
    generator.close()
    assert not alive(pid)


def test_the_deadline_of_a_run_ends_the_answer(
    fake: Fake, make: Make, make_request: Callable[..., Request], tmp_path: Path
) -> None:
    fake.does("obey", "obey", "hang")
    generator = make()
    generator.begin(tmp_path, Limits(deadline=time.monotonic() + 10))
    assert len(generator.propose(make_request(count=2))) == 1
    assert not alive(fake.asked[0]["pid"])
    with pytest.raises(LimitReached):
        generator.propose(make_request())


@pytest.mark.parametrize(
    ("mode", "numbers"), [("full", "9,000 tokens.*8,192"), ("large", "8,100 tokens.*may have [1-9].*8,192")]
)
def test_a_prompt_beyond_the_context_is_refused_with_the_numbers(
    fake: Fake, make: Make, make_request: Callable[..., Request], mode: str, numbers: str
) -> None:
    fake.does(mode)
    with pytest.raises(UserError, match=numbers):
        make().propose(make_request())
    assert len(fake.asked) == 1  # nothing was sampled


def test_a_file_that_is_no_model(fake: Fake, make: Make, make_request: Callable[..., Request]) -> None:
    fake.does("unloadable")
    with pytest.raises(UserError, match=r"cannot load it \(E llama_model_load: not a model\): check"):
        make().propose(make_request())


@pytest.mark.parametrize(
    ("mode", "message"),
    [("long", "holds no JSON"), ("cut", "cut off at its limit"), ("nonsense", "gave no completion")],
)
def test_answers_that_cannot_be_used(
    fake: Fake, make: Make, make_request: Callable[..., Request], mode: str, message: str
) -> None:
    fake.does("obey", mode)
    request = make_request()
    (proposal,) = make().propose(request)
    assert proposal.failure is not None and proposal.failure.kind is FailureKind.PARSE
    assert message in proposal.failure.message and proposal.source == request.source


def test_a_refusal_of_the_library_is_told(
    fake: Fake, make: Make, make_request: Callable[..., Request]
) -> None:
    fake.does("obey", "raise")
    with pytest.raises(UserError, match=r"refused the question .RuntimeError: out of slots"):
        make().propose(make_request())


@pytest.mark.parametrize("format", ["whole_file", "search_replace"])
def test_free_code_is_asked_for_without_a_grammar_and_repaired_once(
    fake: Fake, make: Make, make_request: Callable[..., Request], format: str
) -> None:
    (proposal,) = make(format=format).propose(make_request())
    assert proposal.failure is not None
    assert [("grammar" in item["body"], len(item["body"]["messages"])) for item in fake.asked] == [
        (False, 2),
        (False, 2),
        (False, 4),
        (False, 4),
    ]


def test_a_run_is_written_down_and_goes_on_without_the_model(
    fake: Fake, make: Make, make_request: Callable[..., Request], tmp_path: Path
) -> None:
    generator = make()
    generator.begin(tmp_path, Limits())
    found = generator.propose(make_request(count=2))
    assert generator.usage().asked == 2 and generator.usage().usd == 0.0
    generator.close()
    rows = sqlite3.connect(tmp_path / "exchanges.sqlite").execute(
        "SELECT endpoint, model, answer FROM exchanges"
    )
    assert [row[:2] for row in rows] == [("llama.cpp", "model.gguf")] * 2
    fake.does("die")
    again = make()
    again.begin(tmp_path, Limits())
    assert again.propose(make_request(count=2)) == found


def test_a_preview_asks_nothing(fake: Fake, make: Make, make_request: Callable[..., Request]) -> None:
    preview = make().preview(make_request(count=8))
    assert preview.questions == 4 and preview.usd == 0.0 and 0 < preview.answer_tokens < 1000
    assert "Net" in preview.messages[1]["content"] and not fake.log.exists()


def test_a_tight_limit_on_parameters_is_kept(make: Make, make_request: Callable[..., Request]) -> None:
    request = make_request(count=4)
    limit = request.graph.parameters
    request = make_request(count=4, constraints=Constraints(max_parameters=limit))
    proposals = make().propose(request)
    assert proposals
    for proposal in proposals:
        assert proposal.failure is None and build(proposal.source).parameters <= limit


def test_a_server_is_asked_under_the_grammar(
    serve: Callable[..., FakeEndpoint], make_request: Callable[..., Request]
) -> None:
    def obey(asked: dict[str, Any]) -> Any:
        place = asked["grammar"].split('("e')[1].split("\\")[0]
        return says(json.dumps({"edits": [{"id": f"e{place}", "reason": "It helps"}]}))

    server = serve(obey)
    generator = get_generator("llama_cpp", base_url=server.url)
    proposals = generator.propose(make_request(count=2))
    generator.close()
    assert [proposal.failure for proposal in proposals] == [None, None]
    assert all(asked["cache_prompt"] is True for asked in server.asked)
    with pytest.raises(UserError, match="more than context_tokens"):
        get_generator("llama_cpp", base_url=server.url, context_tokens=700).propose(make_request())


def test_without_the_extra(fake: Fake, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(MissingExtraError, match=r"pip install 'nas-assistant\[local\]'"):
        get_generator("llama_cpp", model=str(fake.path))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "poem"}, "format 'poem': choose one of operations"),
        ({"threads": 0}, "threads 0: give a number from 1"),
        ({"context_tokens": 10}, "context_tokens 10"),
        ({"temperature": float("nan")}, "temperature nan"),
        ({"model": "0.5b"}, r"doctor --install local --model 0\.5b"),
    ],
)
def test_bad_options(
    make: Make, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, options: dict[str, Any], message: str
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(UserError, match=message):
        make(**options)


def real_model() -> Path:
    pytest.importorskip("xllamacpp", reason="xllamacpp is not installed (the extra local)")
    try:
        return find_model(folder=MODELS)
    except UserError as error:
        pytest.skip(str(error))


@pytest.mark.model
def test_the_real_model_gives_what_can_be_made(make_request: Callable[..., Request]) -> None:
    path = real_model()
    generator = get_generator("llama_cpp", model=str(path), max_listed=10, timeout=900.0, threads=1)
    request = make_request(count=2, history=())
    proposals = generator.propose(request)
    generator.close()
    before = build(request.source).hash
    assert len(proposals) == 2
    for proposal in proposals:
        assert proposal.failure is None and 1 <= len(proposal.edits) <= 3
        # What it says of them is its own affair: where it only repeats the prompt, the edit speaks alone.
        assert build(proposal.source).hash != before


@pytest.mark.model
def test_the_real_model_answers_a_seed_alike_and_refuses_what_is_too_long() -> None:
    from nas_assistant.generators._local_model import LocalModel

    question = [{"role": "user", "content": "Name a layer of a network."}]
    asked = {"max_tokens": 16, "temperature": 1.5}

    def open_model() -> LocalModel:
        return LocalModel(real_model(), context_tokens=512, threads=1, timeout=900.0)

    model = open_model()
    answers = [model.ask(question, seed=seed, **asked).text for seed in (1, 2, 3, 1)]
    assert answers[3] == answers[0] and len(set(answers)) > 1
    long = [{"role": "user", "content": "Name a layer. " * 300}]
    with pytest.raises(UserError, match=r"the prompt has 1,\d{3} tokens .* context of 512 tokens"):
        model.ask(long, seed=0, **asked)
    with pytest.raises(UserError, match="failed to parse grammar"):
        model.ask(question, seed=0, extra_body={"grammar": "root ::= nothing"}, **asked)
    model.close()
    again = open_model()
    assert again.ask(question, seed=2, **asked).text == answers[1]
    again.close()
