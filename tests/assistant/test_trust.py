from __future__ import annotations

import pytest

from nas_assistant.assistant._trust import trusted_gain
from nas_assistant.predictors import Prediction, Predictor


def _prediction(accuracy: float, familiarity: float) -> Prediction:
    return Prediction(accuracy, (accuracy - 0.01, accuracy + 0.01), familiarity, (1.0,))


def test_a_familiar_candidate_counts_with_its_whole_gain(predictor: Predictor) -> None:
    gain = trusted_gain(predictor, _prediction(0.9, 0.5), _prediction(0.92, 0.41), 0.1)
    assert gain == pytest.approx(0.02)


def test_an_unfamiliar_one_with_the_low_end(predictor: Predictor) -> None:
    before, after = _prediction(0.9, 0.5), _prediction(0.92, 0.3)
    assert trusted_gain(predictor, before, after, 0.1) == predictor.gain_interval(before, after)[0] < 0.02
