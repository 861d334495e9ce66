"""Changes to a model's source that keep it running: structured operations, search/replace, whole files."""

from __future__ import annotations

from nas_assistant.edits._answers import search_replace, whole_file
from nas_assistant.edits._base import BaseEditOperation, Change
from nas_assistant.edits._choose import edit_id, operations_schema, parse_operations
from nas_assistant.edits._context import EditContext, LayerCall
from nas_assistant.edits._edit import Argument, Edit, EditError
from nas_assistant.edits._growth import Growth
from nas_assistant.edits._legal import apply_edits, legal_changes, legal_edits, make_changes
from nas_assistant.edits._registry import get_operation, growth, list_operations, operation_of
from nas_assistant.edits._replace import Replacement

__all__ = [
    "Replacement",
    "Argument",
    "BaseEditOperation",
    "Change",
    "Edit",
    "EditContext",
    "EditError",
    "Growth",
    "LayerCall",
    "apply_edits",
    "edit_id",
    "growth",
    "get_operation",
    "legal_changes",
    "legal_edits",
    "list_operations",
    "make_changes",
    "operation_of",
    "operations_schema",
    "parse_operations",
    "search_replace",
    "whole_file",
]
