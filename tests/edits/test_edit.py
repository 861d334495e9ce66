from __future__ import annotations

import pytest

from nas_assistant.edits import BaseEditOperation, Edit, EditError, get_operation, list_operations
from nas_assistant.edits._registry import collect
from nas_assistant.errors import FailureKind

EDIT = Edit("widen", "conv1", 12, {"from": 16, "to": 24, "what": "channels"}, "it helps", 8)


def test_an_edit_is_described_in_one_line() -> None:
    assert EDIT.describe() == "widen conv1 (line 12): 16 -> 24 channels"
    assert (
        Edit("drop_norm", "bn", 3, {"what": "batch_norm"}).describe() == "drop norm bn (line 3): batch_norm"
    )
    assert Edit("add_skip", "conv", 3).describe() == "add skip conv (line 3)"


def test_an_edit_goes_through_json() -> None:
    assert Edit.from_json(EDIT.to_json()) == EDIT
    assert EDIT.because("other").key == EDIT.key


@pytest.mark.parametrize(
    "data",
    [
        None,
        {},
        {"operation": "widen", "layer": "a", "line": 0},
        {"operation": "widen", "layer": "a", "line": 1, "surprise": 1},
        {"operation": "widen", "layer": "a", "line": 1, "arguments": {"to": [1]}},
    ],
)
def test_what_is_not_an_edit_is_refused_in_one_line(data: object) -> None:
    with pytest.raises(EditError) as caught:
        Edit.from_json(data)
    assert caught.value.failure.kind is FailureKind.PARSE
    assert len(str(caught.value).splitlines()) == 1


def test_operations_have_one_name_each() -> None:
    operation = type(get_operation("widen"))
    with pytest.raises(ValueError, match="two edit operations are called 'widen'"):
        collect([operation, operation])


def test_the_operations_of_the_folder_are_found() -> None:
    names = list_operations()
    assert names == sorted(names)
    for name in ("widen", "narrow", "change_kernel", "change_stride", "change_activation", "insert_block",
                 "remove_layer", "add_skip", "add_norm", "drop_norm", "add_dropout", "drop_dropout",
                 "repeat_layer", "change_repeats", "swap_conv", "swap_pool"):  # fmt: skip
        assert isinstance(get_operation(name), BaseEditOperation)


def test_an_unknown_operation_names_the_known_ones() -> None:
    with pytest.raises(EditError, match="no edit operation 'polish': choose one of add_dropout"):
        get_operation("polish")
