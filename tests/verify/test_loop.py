from __future__ import annotations

import numpy as np

from nas_assistant.verify._loop import chosen_classes


def test_a_probability_of_zero_is_no_fault_of_a_model() -> None:
    scores = np.array([[-np.inf, -0.1, -2.4], [0.0, np.nan, 1.0], [np.inf, 0.0, 1.0]])
    assert chosen_classes(scores).tolist() == [1, -1, -1]
