from __future__ import annotations

import pytest

from nas_assistant.edits import Edit, EditError, operations_schema, parse_operations
from nas_assistant.errors import FailureKind

EDITS = [Edit("widen", "conv1", 3, {"to": 24}), Edit("drop_norm", "bn", 4), Edit("add_skip", "conv2", 9)]


def test_the_schema_names_exactly_the_listed_edits() -> None:
    schema = operations_schema(EDITS)
    choice = schema["properties"]["edits"]["items"]
    assert choice["properties"]["id"]["enum"] == ["e0", "e1", "e2"]
    assert choice["required"] == ["id", "reason"]


@pytest.mark.parametrize(
    "answer",
    [
        '{"edits": [{"id": "e2", "reason": "short  path"}, {"id": "e0", "reason": ""}]}',
        'Sure:\n```json\n{"edits": [{"id": "e2", "reason": "short path"}, {"id": "e0"}]}\n```',
        '[{"id": "e2", "reason": "short path"}, {"id": "e0", "reason": ""}, {"id": "e2", "reason": "again"}]',
    ],
)
def test_the_chosen_edits_come_with_their_reasons(answer: str) -> None:
    assert parse_operations(answer, EDITS) == [EDITS[2].because("short path"), EDITS[0]]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("I would widen conv1.", "holds no JSON"),
        ('{"edits": []}', "not a choice of edits"),
        ('{"edits": [{"id": 3}]}', "not a choice of edits"),
        ('{"edits": [{"id": "e3", "reason": ""}]}', "no edit 'e3': the listing goes from e0 to e2"),
        ('{"edits": [{"id": "e2", "reason":', "not a choice of edits|holds no JSON"),
    ],
)
def test_other_answers_are_refused(answer: str, message: str) -> None:
    with pytest.raises(EditError, match=message) as caught:
        parse_operations(answer, EDITS)
    assert caught.value.failure.kind is FailureKind.PARSE
