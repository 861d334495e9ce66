"""What a user is told who may expect too much."""

from __future__ import annotations

from nas_assistant.assistant._notes import growth_notes
from nas_assistant.generators import Constraints


def test_a_much_larger_model_is_told() -> None:
    (note,) = growth_notes((1_000, 2_000), (10, 12), Constraints())
    assert "2.0 times the parameters and 1.2 times the FLOPs" in note and "--max-params +10%" in note
    assert growth_notes((1_000, 1_000), (10, 40), Constraints())
    assert not growth_notes((1_000, 1_400), (10, 12), Constraints())
    assert not growth_notes((1_000, 2_000), (10, 40), Constraints(max_parameters=3_000))
    assert not growth_notes((0, 100), (0, 0), Constraints())
