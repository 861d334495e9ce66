"""How much of a predicted gain counts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from nas_assistant.predictors import Prediction, Predictor


def trusted_gain(
    predictor: Predictor, original: Prediction, candidate: Prediction, familiarity_margin: float
) -> float:
    """The gain over the original that counts.

    A search that follows a predictor drifts to where it is wrong (Mishra 2023, section 9). So a candidate
    that is less familiar than the original by more than the margin is given only the low end of its gain.

    Args:
        predictor: Knows the interval of a gain.
        original: Prediction of the user's model.
        candidate: Prediction of the proposed one.
        familiarity_margin: Loss of familiarity up to which the prediction is taken as it is.
    """
    gain = candidate.accuracy - original.accuracy
    if candidate.familiarity < original.familiarity - familiarity_margin:
        return min(gain, predictor.gain_interval(original, candidate)[0])
    return gain
