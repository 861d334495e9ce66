"""Tests that every generator has to pass, for whoever writes one.

A package that offers a generator runs them with pytest::

    from nas_assistant.generators.conformance import GeneratorConformance

    class TestEcho(GeneratorConformance):
        def make(self):
            return Echo()
"""

from __future__ import annotations

import ast
import copy
import dataclasses
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

from nas_assistant.edits import Edit, apply_edits, legal_edits
from nas_assistant.edits.conformance import TORCH_SAMPLES, Sample
from nas_assistant.errors import Failure, FailureKind, UserError
from nas_assistant.generators._base import Attempt, BaseGenerator, Proposal, Request
from nas_assistant.relevance import LayerRelevance
from nas_assistant.sources import syntax_tree

__all__ = ["GeneratorConformance", "Sample", "make_request"]

_KERNEL = Edit("change_kernel", "conv1", 9, {"from": "3x3", "to": "5x5", "what": "kernel"})
_WIDER = Edit("widen", "conv1", 9, {"from": 16, "to": 24, "what": "channels"})
_HISTORY = (
    Attempt((_KERNEL,), accuracy=0.91, gain=0.01),
    Attempt((_WIDER,), failure=Failure(FailureKind.SHAPE, "it does not fit")),
)


def make_request(sample: Sample = TORCH_SAMPLES[0], **changes: Any) -> Request:
    """A request on a sample network, with a made-up relevance of its layers.

    Args:
        sample: The network.
        **changes: Values of the request to set instead.
    """
    graph = sample.graph()
    layers = dict.fromkeys(node.layer for node in graph if node.layer and node.created)
    places = {node.layer: node.created for node in graph if node.created}
    relevance = tuple(
        LayerRelevance(layer, "conv", 0.1 * (-1) ** place, places[layer].file, places[layer].line)
        for place, layer in enumerate(layers)
    )
    values: dict[str, Any] = {
        "source": sample.source,
        "framework": sample.framework,
        "entry": sample.entry,
        "graph": graph,
        "relevance": relevance,
        "accuracy": 0.90,
        "target": 0.92,
        "count": 3,
        "seed": 7,
        "rounds_left": 5,
    }
    return Request(**{**values, **changes})


class GeneratorConformance:
    """The tests; a subclass makes the generator.

    Attributes:
        samples: Networks to try it on.
    """

    samples: ClassVar[Sequence[Sample]] = TORCH_SAMPLES

    def make(self) -> BaseGenerator:
        """A fresh generator; each that is made is closed again."""
        raise NotImplementedError

    def propose(self, request: Request) -> list[Proposal]:
        """What a fresh generator proposes."""
        generator = self.make()
        try:
            return generator.propose(request)
        finally:
            generator.close()

    def test_it_has_a_name(self) -> None:
        """A word, by which it is asked for; closing twice does no harm."""
        generator = self.make()
        assert isinstance(generator, BaseGenerator)
        assert generator.name and "," not in generator.name and not generator.name.isspace()
        generator.close()
        generator.close()

    def test_the_samples_can_be_edited(self) -> None:
        """Each has layers of known places, and edits; without, the other tests would test nothing."""
        for sample in self.samples:
            request = make_request(sample)
            assert request.relevance
            assert legal_edits(request.source, request.graph, framework=request.framework)

    def test_it_proposes_something(self) -> None:
        """One of the samples gets a proposal that can be checked."""
        found = [one for sample in self.samples for one in self.propose(make_request(sample))]
        assert any(proposal.failure is None for proposal in found), found

    def test_proposals_are_whole_and_explained(self) -> None:
        """Each is another program that parses, or the request's own source with a typed failure."""
        for sample in self.samples:
            request = make_request(sample)
            for proposal in self.propose(request):
                if proposal.failure is not None:
                    assert proposal.source == request.source
                    continue
                assert ast.dump(syntax_tree(proposal.source)) != ast.dump(syntax_tree(request.source))
                assert proposal.edits or proposal.explanation
                assert all(len(line.splitlines()) == 1 for line in proposal.explanation)

    def test_edits_make_the_source(self) -> None:
        """Structured edits that a proposal names are those that made it."""
        for sample in self.samples:
            request = make_request(sample)
            for proposal in self.propose(request):
                if proposal.edits:
                    framework = request.framework
                    made = apply_edits(request.source, proposal.edits, request.graph, framework=framework)
                    assert made == proposal.source

    def test_no_more_than_asked_for(self) -> None:
        """``count`` is a limit."""
        for count in (1, 2):
            assert len(self.propose(make_request(count=count))) <= count

    def test_the_same_request_gives_the_same_proposals(self) -> None:
        """From another generator, and from the same one once more: it keeps no state that matters."""
        request = make_request()
        generator = self.make()
        try:
            first = generator.propose(request)
            generator.propose(make_request(seed=8, count=1))
            assert generator.propose(request) == first
        finally:
            generator.close()
        assert self.propose(request) == first

    def test_a_stream_gives_the_same(self) -> None:
        """``stream`` gives what ``propose`` gives."""
        request = make_request()
        generator = self.make()
        try:
            streamed = list(generator.stream(request))
        finally:
            generator.close()
        assert streamed == self.propose(request)

    def test_it_reads_a_history(self) -> None:
        """Attempts that passed and failed are taken, and the request stays as it was."""
        request = make_request(history=_HISTORY)
        before = copy.deepcopy(request)
        assert len(self.propose(request)) <= request.count
        assert dataclasses.replace(request, graph=before.graph) == before

    def test_a_source_that_does_not_parse_is_told(self) -> None:
        """It gives nothing, a typed failure or one clear line, and no traceback."""
        try:
            found = self.propose(make_request(source="def f(:\n"))
        except UserError as error:
            assert len(str(error).splitlines()) == 1
        else:
            assert all(proposal.failure is not None for proposal in found)

    def test_it_does_not_run_the_source(self) -> None:
        """The user's code runs in the sandbox alone."""
        with tempfile.TemporaryDirectory() as folder:
            mark = Path(folder) / "ran"
            sample = self.samples[0]
            self.propose(make_request(sample, source=f"{sample.source}\nopen({str(mark)!r}, 'w')\n"))
            assert not mark.exists()
