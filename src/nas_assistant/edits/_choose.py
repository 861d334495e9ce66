"""A model chooses among listed edits: the schema of its answer, and how the answer is read."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

from nas_assistant.edits._edit import Edit, EditError
from nas_assistant.errors import FailureKind

_MOST_EDITS = 3


def edit_id(position: int) -> str:
    """The id under which the edit at a position of a listing is chosen."""
    return f"e{position}"


def operations_schema(edits: Sequence[Edit], *, most: int = _MOST_EDITS) -> dict[str, Any]:
    """JSON schema of an answer that chooses among edits.

    Args:
        edits: The listing; the edit at position 12 has the id ``e12``.
        most: How many may be chosen.

    Returns:
        The schema of ``{"edits": [{"id": "e12", "reason": "..."}]}``.
    """
    choice = {
        "type": "object",
        "properties": {
            "id": {"type": "string", "enum": [edit_id(position) for position in range(len(edits))]},
            "reason": {"type": "string", "maxLength": 300},
        },
        "required": ["id", "reason"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {"edits": {"type": "array", "items": choice, "minItems": 1, "maxItems": most}},
        "required": ["edits"],
        "additionalProperties": False,
    }


def parse_operations(answer: str, edits: Sequence[Edit]) -> list[Edit]:
    """The edits that an answer chooses, with its reasons.

    Args:
        answer: JSON under :func:`operations_schema`, with or without prose and a fence around it.
        edits: The listing that the model was given.

    Raises:
        EditError: The answer is no such JSON, or chooses what is not listed (``parse``).
    """
    from pydantic import ValidationError

    from nas_assistant.edits._records import AnswerRecord

    data = _json(answer)
    if isinstance(data, list):
        data = {"edits": data}
    try:
        record = AnswerRecord.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "answer"
        raise EditError(
            FailureKind.PARSE, f"the answer is not a choice of edits: {place}: {first['msg']}"
        ) from error
    listed = {edit_id(position): edit for position, edit in enumerate(edits)}
    chosen: dict[str, Edit] = {}
    for choice in record.edits:
        found = listed.get(choice.id.strip())
        if found is None:
            message = f"no edit {choice.id!r}: the listing goes from e0 to {edit_id(len(edits) - 1)}"
            raise EditError(FailureKind.PARSE, message)
        chosen.setdefault(choice.id.strip(), found.because(" ".join(choice.reason.split())))
    return list(chosen.values())


def _json(answer: str) -> Any:
    """The first JSON object or list in a text."""
    decoder = json.JSONDecoder()
    for found in re.finditer(r"[{\[]", answer):
        try:
            value, _ = decoder.raw_decode(answer, found.start())
        except ValueError:
            continue
        except RecursionError as error:
            # From every further bracket it would be as deep again.
            raise EditError(FailureKind.PARSE, "the answer's JSON is nested too deeply") from error
        if isinstance(value, dict | list) and value:
            return value
    raise EditError(FailureKind.PARSE, "the answer holds no JSON")
