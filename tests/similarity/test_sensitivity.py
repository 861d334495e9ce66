from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import norm

from nas_assistant.similarity import from_sensitivity, to_sensitivity


def test_two_classes_have_a_closed_form() -> None:
    sensitivity = np.asarray([0.0, 0.5, 1.0, 3.0])
    np.testing.assert_allclose(
        from_sensitivity(sensitivity, 2), norm.cdf(sensitivity / np.sqrt(2)), atol=1e-4
    )


@pytest.mark.parametrize("classes", [2, 10, 1_000])
def test_chance_is_zero_and_back_again(classes: int) -> None:
    assert float(to_sensitivity(1 / classes, classes)) == pytest.approx(0, abs=0.01)
    accuracies = np.asarray([0.3, 0.6, 0.9, 0.99]) * (1 - 1 / classes) + 1 / classes
    np.testing.assert_allclose(from_sensitivity(to_sensitivity(accuracies, classes), classes), accuracies)


def test_more_classes_are_harder() -> None:
    assert float(from_sensitivity(2.0, 100)) < float(from_sensitivity(2.0, 10))


def test_one_class_is_no_choice() -> None:
    with pytest.raises(ValueError, match="choice among 1"):
        to_sensitivity(0.5, 1)
