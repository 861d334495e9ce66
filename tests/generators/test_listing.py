from __future__ import annotations

from collections.abc import Callable

from nas_assistant.edits import Edit, EditContext, growth
from nas_assistant.generators import Attempt, Constraints, Request
from nas_assistant.generators._listing import list_changes

Make = Callable[..., Request]


def offered(request: Request) -> list[Edit]:
    context = EditContext(request.source, request.graph, request.framework)
    return [change.edit for change in list_changes(request, context, 1000, 0)[0]]


def listed(request: Request, most: int = 1000, seed: int = 0) -> tuple[list[str], int]:
    context = EditContext(request.source, request.graph, request.framework)
    changes, legal = list_changes(request, context, most, seed)
    return [change.edit.describe() for change in changes], legal


def test_every_legal_edit_is_listed_where_they_fit(make_request: Make) -> None:
    edits, legal = listed(make_request())
    assert len(edits) == legal == len(set(edits)) > 20


def test_a_cut_listing_has_every_operation_and_keeps_the_order(make_request: Make) -> None:
    whole, legal = listed(make_request())
    operations = {edit.partition(" (")[0].rpartition(" ")[0] for edit in whole}
    some, told = listed(make_request(), most=len(operations))
    assert told == legal and len(some) == len(operations)
    assert [edit for edit in whole if edit in some] == some
    first = {edit.partition(" ")[0] for edit in whole}
    assert {edit.partition(" ")[0] for edit in some} == first
    assert some == listed(make_request(), most=len(operations))[0]
    assert some != listed(make_request(), most=len(operations), seed=1)[0]


def test_what_was_tried_alone_is_left_out(make_request: Make) -> None:
    whole = offered(make_request())
    history = (
        Attempt((whole[0],), accuracy=0.8, gain=-0.1),
        Attempt((whole[1], whole[2]), accuracy=0.9, gain=0.1),
    )
    assert offered(make_request(history=history)) == whole[1:]
    elsewhere = (
        Attempt((whole[0],), accuracy=0.8, gain=-0.1, here=False),
        Attempt((whole[1],), accuracy=0.9, gain=0.1, here=False),
    )
    assert offered(make_request(history=elsewhere)) == whole[1:]


def test_what_breaks_the_limit_on_parameters_for_certain_is_left_out(make_request: Make) -> None:
    limit = make_request().graph.parameters + 50
    request = make_request(constraints=Constraints(max_parameters=limit))
    context = EditContext(request.source, request.graph, request.framework)
    changes, legal = list_changes(request, context, 1000, 0)
    assert changes and all(growth(request.graph, change).parameters <= 50 for change in changes)
    assert legal < listed(make_request())[1]
