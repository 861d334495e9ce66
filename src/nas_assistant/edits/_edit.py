"""One structured change to a model's source, as data."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from nas_assistant.errors import Failure, FailureKind, ModelError

Argument = int | float | str


class EditError(ModelError):
    """An edit that cannot be made, or an answer that is not an edit, with its typed failure."""

    def __init__(self, kind: FailureKind, message: str, line: int | None = None) -> None:
        super().__init__(Failure(kind, message, line))


@dataclass(frozen=True, slots=True)
class Edit:
    """One operation on one layer.

    Attributes:
        operation: Name of the operation, see :func:`nas_assistant.edits.list_operations`.
        layer: Dotted name of the layer as in the graph, or the piece of source that stands for it.
        line: Line of the source that it changes first, 1-based.
        arguments: What the operation does there; ``to`` and ``from`` where a value is replaced, ``what`` for
            a word more, and ``places`` where it is done in several.
        reason: Why, in one sentence.
        column: 0-based offset in UTF-8 bytes, which tells apart two edits of one line.
        shape_safe: Whether the shapes are known to fit from the graph; otherwise the sandbox has to check.
    """

    operation: str
    layer: str
    line: int
    arguments: Mapping[str, Argument] = field(default_factory=dict)
    reason: str = ""
    column: int = 0
    shape_safe: bool = True

    @property
    def key(self) -> tuple[object, ...]:
        """What makes it this edit: everything but the reason."""
        return (self.operation, self.line, self.column, *sorted(self.arguments.items()))

    @property
    def step(self) -> tuple[Argument | None, Argument | None]:
        """The value that it replaces and the one that it gives, each None where there is none."""
        return self.arguments.get("from"), self.arguments.get("to")

    @property
    def kind(self) -> tuple[object, ...]:
        """What it does, wherever it is done: of two counts, whether it is more or fewer."""
        values = dict(self.arguments)
        before, after = self.step
        if isinstance(before, int) and isinstance(after, int):
            del values["from"]
            values["to"] = "more" if after > before else "fewer"
        return (self.operation, *sorted(values.items()))

    @property
    def subject(self) -> tuple[object, ...]:
        """What it does to which layer, whatever the line, which moves when something is put in above."""
        return (self.operation, self.layer, *sorted(self.arguments.items()))

    def describe(self, place: str = "") -> str:
        """One line for a person, such as ``widen conv1 (line 12): 16 -> 24 channels``.

        Args:
            place: Where it is, if not told by its line.
        """
        values = dict(self.arguments)
        what, places = values.pop("what", ""), values.pop("places", 1)
        parts = []
        if "from" in values and "to" in values:
            parts.append(f"{values.pop('from')} -> {values.pop('to')}")
        parts.extend(f"{name} {value}" for name, value in values.items())
        detail = " ".join(str(part) for part in (*parts, what) if str(part))
        if places != 1:
            detail += f", in {places} places"
        subject = " ".join(part for part in (self.operation.replace("_", " "), self.layer) if part)
        return f"{subject} ({place or f'line {self.line}'})" + (f": {detail}" if detail else "")

    def tell(self, place: str = "") -> str:
        """What :meth:`describe` says, and why."""
        return f"{self.describe(place)}: {self.reason}" if self.reason else self.describe(place)

    def without(self, argument: str) -> Edit:
        """The same edit without an argument."""
        rest = {name: value for name, value in self.arguments.items() if name != argument}
        return dataclasses.replace(self, arguments=rest)

    def because(self, reason: str) -> Edit:
        """The same edit with a reason."""
        return dataclasses.replace(self, reason=reason)

    def to_json(self) -> dict[str, Any]:
        """The edit as plain JSON data."""
        return {
            "operation": self.operation,
            "layer": self.layer,
            "line": self.line,
            "column": self.column,
            "arguments": dict(self.arguments),
            "shape_safe": self.shape_safe,
            "reason": self.reason,
        }

    @classmethod
    def from_json(cls, data: Any) -> Edit:
        """Read what :meth:`to_json` wrote.

        Raises:
            EditError: The data is not an edit.
        """
        from pydantic import ValidationError

        from nas_assistant.edits._records import EditRecord

        try:
            record = EditRecord.model_validate(data)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"]) or "edit"
            raise EditError(FailureKind.PARSE, f"not an edit: {place}: {first['msg']}") from error
        return cls(**record.model_dump())
