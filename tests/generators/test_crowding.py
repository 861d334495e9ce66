from __future__ import annotations

import dataclasses
from collections.abc import Callable

from nas_assistant.edits import EditContext, legal_changes, make_changes
from nas_assistant.generators import Request
from nas_assistant.generators._crowding import without_crowding
from nas_assistant.generators._listing import list_changes
from nas_assistant.generators._mutate import MutateGenerator

from .conftest import SOURCE, build

STACK = "# A long preface.\n" * 20 + SOURCE.replace(
    """nn.Conv2d(3, 8, 3, padding=1)
""",
    """nn.Sequential(
            nn.Conv2d(3, 8, 3, padding=1),
            nn.BatchNorm2d(8),
            nn.ReLU(),
            nn.Conv2d(8, 8, 3, padding=1),
        )
""",
)


def grown(request: Request, layer: str = "conv1") -> Request:
    """The request after a block was put behind its first convolution."""
    context = EditContext(request.source, request.graph, request.framework)
    (change, *_) = [
        change
        for change in legal_changes(context)
        if change.edit.operation == "insert_block" and change.edit.layer == layer
    ]
    source = make_changes(context, [change])
    return dataclasses.replace(request, source=source, original=request.source, graph=build(source))


def test_a_place_that_has_grown_by_a_block_grows_no_more(make_request: Callable[..., Request]) -> None:
    request = grown(make_request())
    context = EditContext(request.source, request.graph, request.framework)
    changes = list(legal_changes(context))
    left = without_crowding(changes, request, context)
    gone = {change.edit.layer for change in changes if change not in left}
    assert gone and all(layer.startswith("conv1") for layer in gone)
    growing = {"insert_block", "repeat_layer", "add_norm"}
    assert not {c.edit.operation for c in left if c.edit.layer.startswith("conv1")} & growing
    # Changes that add no layer are still made there, and others elsewhere.
    assert {c.edit.operation for c in left if c.edit.layer.startswith("conv1")}
    assert {c.edit.operation for c in left if c.edit.layer == "conv2"} & growing


def test_a_block_before_lines_like_its_own_is_found(make_request: Callable[..., Request]) -> None:
    """A norm and an activation follow the convolution, and the diff has the block behind those."""
    request = grown(make_request(source=STACK, graph=build(STACK)), "conv1.0")
    context = EditContext(request.source, request.graph, request.framework)
    changes = [change for change in legal_changes(context) if change.edit.layer == "conv1.0"]
    assert "insert_block" in {change.edit.operation for change in changes}
    left = {change.edit.operation for change in without_crowding(changes, request, context)}
    assert left and not left & {"insert_block", "repeat_layer", "add_norm"}


def test_nobody_is_offered_more_at_such_a_place(make_request: Callable[..., Request]) -> None:
    request = grown(make_request(count=12))
    context = EditContext(request.source, request.graph, request.framework)
    listed, _ = list_changes(request, context, 200, 0)
    drawn = [edit for proposal in MutateGenerator().propose(request) for edit in proposal.edits]
    for edit in (*(change.edit for change in listed), *drawn):
        assert not (edit.layer.startswith("conv1") and edit.operation in ("insert_block", "repeat_layer"))


def test_the_users_own_source_is_never_crowded(make_request: Callable[..., Request]) -> None:
    request = make_request()
    context = EditContext(request.source, request.graph, request.framework)
    changes = list(legal_changes(context))
    for original in ("", request.source):
        assert without_crowding(changes, dataclasses.replace(request, original=original), context) == changes
