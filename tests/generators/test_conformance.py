"""Every generator of the package passes the tests that plug-ins are to pass."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, ClassVar

import pytest

from nas_assistant.generators import BaseGenerator, Proposal, Request, get_generator
from nas_assistant.generators import _registry as registry
from nas_assistant.generators.conformance import GeneratorConformance, make_request

from .conftest import KEY
from .endpoint import FakeEndpoint, Reply, says
from .test_llama_cpp import Fake


class TestMutate(GeneratorConformance):
    def make(self) -> BaseGenerator:
        return get_generator("mutate")


class TestLlamaCpp(GeneratorConformance):
    @pytest.fixture(autouse=True)
    def model(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path = Fake(tmp_path, monkeypatch).path

    def make(self) -> BaseGenerator:
        return get_generator("llama_cpp", model=str(self.path), threads=1)


class TestInfill(TestLlamaCpp):
    @pytest.fixture(autouse=True)
    def fill(self, model: None, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("FAKE_LLAMA_TEXTS", json.dumps(["nn.Identity()"]))

    def make(self) -> BaseGenerator:
        return get_generator("infill", model=str(self.path), threads=1)


class TestOpenAI(GeneratorConformance):
    @pytest.fixture(autouse=True)
    def endpoint(self, serve: Callable[..., FakeEndpoint], monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("OPENAI_API_KEY", KEY)
        monkeypatch.setenv("NO_PROXY", "127.0.0.1")
        self.url = serve(_choose).url

    def make(self) -> BaseGenerator:
        return get_generator("openai", model="coder", base_url=self.url, cache=False, proposals=2)


def _choose(asked: dict[str, Any]) -> Reply:
    """Chooses by the seed among what is listed."""
    listed = re.findall(r"^(e\d+): ", asked["messages"][1]["content"], re.MULTILINE)
    chosen = listed[asked["seed"] % len(listed)]
    return says(json.dumps({"edits": [{"id": chosen, "reason": "a wider view"}]}))


def test_every_generator_of_the_package_is_here() -> None:
    suites = (TestMutate, TestLlamaCpp, TestInfill, TestOpenAI)
    assert {suite.__name__.removeprefix("Test").lower() for suite in suites} == {
        name.replace("_", "") for name in registry._OWN
    }


class Broken(BaseGenerator):
    """Proposes as it is told, and not as it should."""

    name: ClassVar[str] = "broken"

    def __init__(self, proposals: Callable[[Request, int], list[Proposal]]) -> None:
        self._proposals, self._asked = proposals, 0

    def propose(self, request: Request) -> list[Proposal]:
        self._asked += 1
        return self._proposals(request, self._asked)


def _counted(request: Request, asked: int) -> list[Proposal]:
    return [Proposal(f"{request.source}\nx = {asked}\n", explanation=("counted",))]


def _run(request: Request, asked: int) -> list[Proposal]:
    exec(request.source, {})
    return []


@pytest.mark.parametrize(
    ("proposals", "test"),
    [
        (lambda request, asked: [], "test_it_proposes_something"),
        (lambda request, asked: [Proposal(request.source)], "test_proposals_are_whole_and_explained"),
        (lambda request, asked: [Proposal("x = 1\n")] * 3, "test_no_more_than_asked_for"),
        (_counted, "test_the_same_request_gives_the_same_proposals"),
        (_counted, "test_a_source_that_does_not_parse_is_told"),
        (_run, "test_it_does_not_run_the_source"),
    ],
)
def test_a_broken_generator_does_not_pass(
    proposals: Callable[[Request, int], list[Proposal]], test: str
) -> None:
    suite = GeneratorConformance()
    suite.make = lambda: Broken(proposals)  # type: ignore[method-assign]
    with pytest.raises(AssertionError):
        getattr(suite, test)()


def test_edits_that_did_not_make_the_source_are_found() -> None:
    (proposal, *_) = get_generator("mutate").propose(make_request())
    false = dataclasses.replace(proposal, source=proposal.source + "\n# more\n")
    suite = GeneratorConformance()
    suite.make = lambda: Broken(lambda request, asked: [false])  # type: ignore[method-assign]
    with pytest.raises(AssertionError):
        suite.test_edits_make_the_source()
