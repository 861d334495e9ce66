"""Tests that every edit operation has to pass, for whoever writes one.

A package that offers an operation runs them with pytest::

    from nas_assistant.edits.conformance import EditConformance

    class TestSwapNorm(EditConformance):
        operation = SwapNorm()
"""

from __future__ import annotations

import ast
import dataclasses
import json
from collections.abc import Iterator, Sequence
from typing import ClassVar

from nas_assistant.edits._base import BaseEditOperation, Change
from nas_assistant.edits._context import EditContext
from nas_assistant.edits._edit import Edit, EditError
from nas_assistant.edits._legal import make_changes
from nas_assistant.edits._samples import KERAS_SAMPLES, TORCH_SAMPLES, Sample
from nas_assistant.errors import FailureKind
from nas_assistant.sources import syntax_tree

__all__ = ["KERAS_SAMPLES", "TORCH_SAMPLES", "EditConformance", "Sample"]

_MOST_BUILT = 4


class EditConformance:
    """The tests; a subclass names the operation.

    Attributes:
        operation: What is tested.
        samples: Networks to try it on; it must be legal on one of them at least.
    """

    operation: ClassVar[BaseEditOperation]
    samples: ClassVar[Sequence[Sample]] = TORCH_SAMPLES

    def test_it_says_what_it_is(self) -> None:
        """A name that is a word, a summary of one line, and a known direction."""
        operation = self.operation
        assert operation.name.isidentifier() and operation.name == operation.name.lower()
        assert operation.summary and len(operation.summary.splitlines()) == 1
        assert operation.grows in (-1, 0, 1)
        assert operation.replaces or operation.grows, "what is put in is more, what is taken out less"

    def test_the_samples_can_be_edited(self) -> None:
        """It is known where each creates its layers; without that, the other tests would test nothing."""
        for sample in self.samples:
            assert EditContext(sample.source, sample.graph(), sample.framework).layers

    def test_it_is_legal_somewhere(self) -> None:
        """One of the samples has a place for it."""
        assert any(True for _ in self._changes())

    def test_its_edits_are_data(self) -> None:
        """Each edit names the operation and its place, fits in JSON and says in one line what it does."""
        for sample, context, change in self._changes():
            edit = change.edit
            assert edit.operation == self.operation.name
            assert 1 <= edit.line <= len(sample.source.splitlines())
            assert Edit.from_json(json.loads(json.dumps(edit.to_json()))) == edit
            assert edit.describe() and len(edit.describe().splitlines()) == 1
            assert self.operation.direction(edit) in (-1, 1)
            assert change.replacements, edit.describe()
            assert all(0 <= one.start <= one.end <= len(context.tree.data) for one in change.replacements)
            assert set(change.relevant) <= {node.id for node in context.graph}

    def test_the_same_source_has_the_same_edits(self) -> None:
        """Nothing is drawn, and nothing depends on what was asked before."""
        first, second = ([change for _, _, change in self._changes()] for _ in range(2))
        assert first == second

    def test_an_edit_is_found_again(self) -> None:
        """``apply`` gives the change of an edit that ``sites`` listed."""
        for _, context, change in self._changes():
            assert self.operation.apply(context, change.edit).replacements == change.replacements

    def test_an_edit_that_is_not_listed_is_refused(self) -> None:
        """``apply`` raises ``EditError`` (``constraint``) for a place that is none."""
        for _, context, change in self._changes():
            elsewhere = dataclasses.replace(change.edit, line=10_000)
            try:
                self.operation.apply(context, elsewhere)
            except EditError as error:
                assert error.failure.kind is FailureKind.CONSTRAINT
            else:
                raise AssertionError(f"{elsewhere.describe()} was applied")

    def test_a_file_without_layers_has_no_edits(self) -> None:
        """The graph of another file gives nothing to edit."""
        for sample in self.samples:
            context = EditContext("x = 1\n", sample.graph(), sample.framework)
            assert list(self.operation.sites(context)) == []

    def test_edited_sources_are_other_programs(self) -> None:
        """They parse, and differ in more than layout."""
        for sample, context, change in self._changes():
            text = make_changes(context, [change])
            assert ast.dump(syntax_tree(text)) != ast.dump(syntax_tree(sample.source)), change.edit.describe()

    def test_shape_safe_edits_keep_the_network_running(self) -> None:
        """They build, run, give the same shape, and another network with nothing unannounced."""
        for sample in self.samples:
            before = sample.graph()
            context = EditContext(sample.source, before, sample.framework)
            safe = [change for change in self.operation.sites(context) if change.edit.shape_safe]
            for change in safe[:: -(-len(safe) // _MOST_BUILT) or 1]:
                after, told = sample.graph(make_changes(context, [change])), change.edit.describe()
                most = self.operation.growth(before, change)
                assert after.parameters - before.parameters <= most.parameters + 0.5, told
                assert after.flops - before.flops <= most.flops + 0.5, told
                assert after.output_shape == before.output_shape, told
                assert after.hash != before.hash, told
                new = {node.op.value for node in after} - {node.op.value for node in before}
                assert new <= change.introduces | {"identity"}, told

    def _changes(self) -> Iterator[tuple[Sample, EditContext, Change]]:
        for sample in self.samples:
            context = EditContext(sample.source, sample.graph(), sample.framework)
            for change in self.operation.sites(context):
                yield sample, context, change
