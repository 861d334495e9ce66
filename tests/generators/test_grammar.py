from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Callable, Iterator, Sequence

import pytest

from nas_assistant.edits import Change, EditContext, growth, legal_changes, make_changes, parse_operations
from nas_assistant.generators import Constraints, Request
from nas_assistant.generators._grammar import (
    LONGEST_REASON,
    Offer,
    longest_answer,
    make_offer,
    operations_grammar,
)

from .conftest import SOURCE, build
from .gbnf import compile_grammar

REASON = "It has \x20 room, e.g. for 2 ~ [more] {features}"


@pytest.fixture
def context(make_request: Callable[..., Request]) -> EditContext:
    request = make_request()
    return EditContext(request.source, request.graph, request.framework)


@pytest.fixture
def changes(context: EditContext) -> list[Change]:
    return list(legal_changes(context, shape_safe=True))


def answer(*places: int, reason: str = REASON) -> str:
    return json.dumps({"edits": [{"id": f"e{place}", "reason": reason} for place in places]})


def choices(offer: Offer) -> Iterator[tuple[int, ...]]:
    """Every choice that an offer allows."""
    for picked in itertools.product(*((None, *slot) for slot in offer.slots)):
        if found := tuple(place for place in picked if place is not None):
            yield found
    yield from ((place,) for place in offer.alone)


def whole(changes: Sequence[Change], context: EditContext, seed: str = "0") -> Offer:
    offer = make_offer(changes, context.graph, seed, vary=False)
    assert offer is not None
    return offer


def test_every_legal_edit_can_be_chosen_and_nothing_else(changes: list[Change], context: EditContext) -> None:
    offer = whole(changes, context)
    assert len(changes) > 20 and offer.positions == tuple(range(len(changes)))
    grammar = compile_grammar(operations_grammar(offer))
    for place in range(len(changes)):
        assert grammar.fullmatch(answer(place))
    for wrong in (
        answer(),
        answer(len(changes)),
        answer(-1),
        answer(0, reason=""),
        answer(0, reason="x" * (LONGEST_REASON + 1)),
        answer(0, reason='a "quoted" word'),
        answer(0, reason="a back\\slash"),
        answer(0, reason="two\nlines"),
        answer(0).replace("room", "rööm"),
        answer(0) + " ",
        "Here you are: " + answer(0),
        answer(0)[:-1],
        answer(0).replace("e0", "e00"),
        answer(0).replace('"reason"', '"because"'),
        "",
    ):
        assert not grammar.fullmatch(wrong), wrong


def test_edits_of_one_slot_exclude_each_other(changes: list[Change], context: EditContext) -> None:
    offer = whole(changes, context)
    grammar = compile_grammar(operations_grammar(offer))
    assert len(offer.slots) == 3
    for slot in offer.slots:
        assert not grammar.fullmatch(answer(slot[0], slot[0]))
        assert len(slot) < 2 or not grammar.fullmatch(answer(slot[0], slot[1]))
    first, second, third = (slot[0] for slot in offer.slots)
    for together in ((first, second), (first, third), (second, third), (first, second, third)):
        assert grammar.fullmatch(answer(*together))
    assert not grammar.fullmatch(answer(second, first))
    assert not grammar.fullmatch(answer(first, second, third, third))


@pytest.mark.parametrize("seed", range(3))
def test_every_choice_can_be_made(changes: list[Change], context: EditContext, seed: int) -> None:
    offer = whole(changes, context, str(seed))
    edits = [change.edit for change in changes]
    every = list(choices(offer))
    grammar = compile_grammar(operations_grammar(offer))
    for picked in random.Random(seed).sample(every, min(len(every), 150)):
        text = answer(*picked)
        assert grammar.fullmatch(text) and len(text) <= longest_answer(offer)
        assert parse_operations(text, edits) == [
            edits[place].because(" ".join(REASON.split())) for place in picked
        ]
        assert make_changes(context, [changes[place] for place in picked]) != SOURCE


def test_what_is_made_builds_and_runs(changes: list[Change], context: EditContext) -> None:
    before = build(SOURCE)
    for picked in random.Random(0).sample(list(choices(whole(changes, context))), 12):
        graph = build(make_changes(context, [changes[place] for place in picked]))
        assert graph.hash != before.hash, [changes[place].edit.describe() for place in picked]


def test_the_longest_answer_is_bounded(changes: list[Change], context: EditContext) -> None:
    offer = whole(changes, context)
    longest = answer(*(slot[-1] for slot in offer.slots), reason="x" * LONGEST_REASON)
    assert compile_grammar(operations_grammar(offer)).fullmatch(longest)
    assert len(longest) <= longest_answer(offer) < len(longest) + 20


def test_a_choice_repeats_the_edit_in_words(changes: list[Change], context: EditContext) -> None:
    offer = whole(changes, context)
    told = [change.edit.describe() for change in changes]
    told[0] = 'a "quoted" \\ é'
    grammar = compile_grammar(operations_grammar(offer, told))
    for place in range(len(changes)):
        choice = {"id": f"e{place}", "edit": told[place], "reason": "x" * LONGEST_REASON}
        text = json.dumps({"edits": [choice]})
        assert grammar.fullmatch(text) and len(text) <= longest_answer(offer, told)
        assert parse_operations(text, [change.edit for change in changes])[0].key == changes[place].edit.key
    assert not grammar.fullmatch(answer(0))
    assert not grammar.fullmatch(json.dumps({"edits": [{"id": "e1", "edit": told[2], "reason": "x"}]}))


def test_under_a_limit_what_goes_together_stays_within_it(
    changes: list[Change], context: EditContext
) -> None:
    graph = context.graph
    room = math.ceil(max(growth(graph, change).parameters for change in changes))
    limit = Constraints(max_parameters=graph.parameters + room)
    offer = make_offer(changes, graph, "0", vary=False, constraints=limit)
    assert offer is not None and offer.alone and any(offer.slots)
    assert offer.positions == tuple(range(len(changes)))
    for picked in choices(offer):
        assert sum(growth(graph, changes[place]).parameters for place in picked) <= room
    grammar = compile_grammar(operations_grammar(offer))
    small = offer.slots[0][0]
    assert grammar.fullmatch(answer(offer.alone[0])) and grammar.fullmatch(answer(small))
    assert not grammar.fullmatch(answer(offer.alone[0], small))
    assert not grammar.fullmatch(answer(small, offer.alone[0]))


def test_offers_vary_over_operations_with_the_seed(changes: list[Change], context: EditContext) -> None:
    offers = [make_offer(changes, context.graph, str(seed)) for seed in range(8)]
    found = {offer.positions for offer in offers if offer is not None}
    assert len(found) > 4
    names = {change.edit.operation for change in changes}
    for positions in found:
        offered = {changes[place].edit.operation for place in positions}
        assert len(offered) == math.ceil(len(names) / 2)
        assert positions == tuple(i for i, change in enumerate(changes) if change.edit.operation in offered)
    assert set().union(*found) == set(range(len(changes)))
    assert offers[3] == make_offer(changes, context.graph, "3")


def test_what_was_chosen_is_not_offered_again(changes: list[Change], context: EditContext) -> None:
    offer = make_offer(changes, context.graph, "0", avoid={0, 5}, vary=False)
    assert offer is not None and {0, 5}.isdisjoint(offer.positions)
    assert make_offer(changes, context.graph, "0", avoid=range(len(changes))) is None
    with pytest.raises(ValueError, match="empty offer"):
        operations_grammar(Offer(()))


def test_one_edit_is_an_offer(changes: list[Change], context: EditContext) -> None:
    offer = make_offer(changes[:1], context.graph, "0", constraints=Constraints())
    assert offer == Offer(((0,),))
    assert compile_grammar(operations_grammar(offer)).fullmatch(answer(0))
