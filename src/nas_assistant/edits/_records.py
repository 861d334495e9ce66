"""What an edit and an answer must look like when they come from outside."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class EditRecord(BaseModel):
    """An edit as JSON."""

    model_config = ConfigDict(extra="forbid")

    operation: str = Field(min_length=1, max_length=100)
    layer: str = Field(max_length=500)
    line: int = Field(ge=1)
    column: int = Field(default=0, ge=0)
    arguments: dict[str, int | float | str] = Field(default_factory=dict)
    shape_safe: bool = True
    reason: str = Field(default="", max_length=2000)


class ChoiceRecord(BaseModel):
    """One edit that a model chose from the listing."""

    model_config = ConfigDict(extra="ignore")

    id: str = Field(min_length=1, max_length=50)
    reason: str = Field(default="", max_length=2000)


class AnswerRecord(BaseModel):
    """The whole answer of a model to a listing of edits."""

    model_config = ConfigDict(extra="ignore")

    edits: list[ChoiceRecord] = Field(min_length=1, max_length=100)
