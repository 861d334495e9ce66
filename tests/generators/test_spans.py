from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from nas_assistant.edits import EditContext
from nas_assistant.generators import Attempt, Request
from nas_assistant.generators._prompts import annotate
from nas_assistant.generators._spans import Span, draw_spans, find_spans, name_of, split_at
from nas_assistant.relevance import LayerRelevance

Make = Callable[..., Request]


def spans_of(request: Request) -> list[Span]:
    return find_spans(request, EditContext(request.source, request.graph, request.framework))


@pytest.fixture
def weigh(make_request: Make) -> Callable[..., Request]:
    """A request with other weights, by layer; ``pool`` and ``flatten`` have no constructor's line."""

    def weigh(**weights: float) -> Request:
        request = make_request()
        found = [replace(item, weight=weights.get(item.layer, 0.0)) for item in request.relevance]
        if "forward" in weights:
            file = request.relevance[0].file
            found.append(LayerRelevance("", "reshape", weights["forward"], file, 17))
        return replace(request, relevance=tuple(found))

    return weigh


def test_the_call_that_makes_a_layer_is_its_span(make_request: Make) -> None:
    first, *others = spans_of(make_request())
    assert (first.code, first.layer, first.weight) == ("nn.Conv2d(8, 8, 3, padding=1)", "conv2", -0.25)
    assert (first.start, first.end, first.statement) == ((11, 21), (11, 50), False)
    assert [span.layer for span in others] == ["act1", "head", "conv1"]


def test_an_operation_without_a_constructor_has_its_statement(weigh: Callable[..., Request]) -> None:
    span = spans_of(weigh(forward=-0.5))[0]
    assert span.code == "return self.head(self.pool(x).flatten(1))" and span.statement
    assert (span.line, span.layer) == (17, "reshape")


def test_columns_are_in_characters_and_lines_may_end_in_any_way(make_request: Make) -> None:
    source = make_request().source.replace("self.act1 = nn", "self.act1 = 'é' and nn").replace("\n", "\r\n")
    request = make_request(source=source)
    spans = sorted(spans_of(request), key=lambda span: span.start)
    assert "nn.Linear(8, 10)" in [span.code for span in spans]
    parts = split_at(source, spans)
    assert "".join(p + s.code for p, s in zip(parts, spans, strict=False)) + parts[-1] == source
    annotated = split_at(annotate(source, request.relevance), spans)
    assert len(annotated) == len(parts) and annotated[-1].startswith("  # relevance +0.125\r\n")


def test_what_hurts_is_drawn_by_how_much(weigh: Callable[..., Request]) -> None:
    request = weigh(conv1=-0.6, act1=-0.1, conv2=0.2, head=0.1)
    spans = spans_of(request)
    drawn = [span.layer for seed in range(200) for span in draw_spans(spans, 1, request, seed)]
    assert set(drawn) == {"conv1", "act1"} and drawn.count("conv1") > 2 * drawn.count("act1")
    assert draw_spans(spans, 3, request, 7) == draw_spans(spans, 3, request, 7)
    counts = {len(draw_spans(spans, 3, request, seed)) for seed in range(50)}
    assert counts == {1, 2}
    assert all(len(draw_spans(spans, 1, request, seed)) == 1 for seed in range(50))


def test_what_was_tried_is_drawn_less(weigh: Callable[..., Request]) -> None:
    request = weigh(conv1=-0.5, conv2=-0.5)
    spans = spans_of(request)
    tried = next(span for span in spans if span.layer == "conv1")
    again = replace(request, history=(Attempt(explanation=(f"{name_of(tried)}: a -> b: c",)),) * 9)
    drawn = [span.layer for seed in range(200) for span in draw_spans(spans, 1, again, seed)]
    assert drawn.count("conv2") > 3 * drawn.count("conv1") > 0


def test_where_nothing_hurts_the_least_helpful_is_drawn(weigh: Callable[..., Request]) -> None:
    request = weigh(conv1=0.5, act1=0.2, conv2=0.1, head=0.2)
    assert {span.layer for s in range(9) for span in draw_spans(spans_of(request), 3, request, s)} == {
        "conv2"
    }


def test_spans_that_overlap_are_not_drawn_together(weigh: Callable[..., Request]) -> None:
    outer = Span((5, 0), (6, 9), "f(g())", "f", -0.5, False)
    inner = Span((5, 2), (5, 5), "g()", "g", -0.5, False)
    request: Any = weigh()
    for seed in range(30):
        assert len(draw_spans([outer, inner], 3, request, seed)) == 1


def test_layers_of_another_file_have_no_span(make_request: Make) -> None:
    request = make_request()
    away = tuple(replace(item, file="elsewhere.py") for item in request.relevance)
    assert spans_of(replace(request, relevance=away)) == []
