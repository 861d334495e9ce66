"""How far predictions were off."""

from __future__ import annotations

import numpy as np
import pytest

from nas_assistant.predictors import pair_residuals


@pytest.mark.parametrize("count", [2, 3, 12])
def test_no_network_is_paired_with_itself(count: int) -> None:
    residuals = 2.0 ** np.arange(count)  # every difference tells its pair
    for seed in range(50):
        pairs = pair_residuals(residuals, seed)
        assert len(pairs) == count and np.all(pairs != 0)
        assert pairs.sum() == 0  # each is the first of one pair and the second of another
        assert np.array_equal(pairs, pair_residuals(residuals, seed))


def test_a_network_alone_has_no_pair() -> None:
    assert pair_residuals(np.ones(1), 0).size == pair_residuals(np.ones(0), 0).size == 0
