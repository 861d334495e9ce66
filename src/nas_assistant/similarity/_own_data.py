"""What a prediction is worth on the user's own data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from nas_assistant.errors import UserError
from nas_assistant.similarity._reference import Reference
from nas_assistant.similarity._similarity import Similarity, compare
from nas_assistant.similarity._statistics import SAMPLES, measure
from nas_assistant.similarity._transfer import Transfer

if TYPE_CHECKING:
    from nas_assistant.predictors import Prediction
    from nas_assistant.sources import Sandbox


@dataclass(frozen=True, slots=True)
class Outlook:
    """A prediction as it holds on the user's data.

    Attributes:
        similarity: Of the data to the reference.
        classes: Of the data.
        accuracy: Expected there.
        interval: Where nine in ten lie.
        gain: Expected there of a better network, if there is one.
        gain_interval: Where nine in ten gains lie.
    """

    similarity: Similarity
    classes: int
    accuracy: float
    interval: tuple[float, float]
    gain: float | None = None
    gain_interval: tuple[float, float] | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data."""
        low, high = self.gain_interval or (None, None)
        return {
            "similarity": round(self.similarity.score, 4),
            "octaves": dict(self.similarity.parts),
            "classes": self.classes,
            "accuracy": self.accuracy,
            "low": self.interval[0],
            "high": self.interval[1],
            "gain": self.gain,
            "gain_low": low,
            "gain_high": high,
        }

    def __str__(self) -> str:
        parts = sorted(self.similarity.parts.items(), key=lambda item: -item[1])
        named = ", ".join(f"{name} {octaves:.1f}" for name, octaves in parts[:3] if octaves >= 0.1)
        return f"{self.similarity.score:.2f} to CIFAR-10 (octaves apart: {named or 'none'})"


@dataclass(frozen=True, slots=True)
class OwnData:
    """The user's data, as far as a prediction needs to know it.

    Attributes:
        similarity: To the reference.
        classes: Number of classes.
        transfer: The bound.
    """

    similarity: Similarity
    classes: int
    transfer: Transfer

    @classmethod
    def read(cls, data: str, sandbox: Sandbox | None = None) -> OwnData:
        """Read some images in the sandbox and compare them with the shipped figures of CIFAR-10.

        Args:
            data: What ``--data`` takes; ``cifar10`` is the reference itself and is not read.
            sandbox: A warm sandbox to use again.

        Raises:
            UserError: The data cannot be read, or has no labelled images, or only of one class.
        """
        from nas_assistant.sources import read_samples

        reference = Reference.load()
        if data == "cifar10":
            return cls(Similarity({}, 1.0), reference.statistics.classes, Transfer.load())
        samples = read_samples(data, count=SAMPLES, sandbox=sandbox)
        if np.count_nonzero(samples.counts) < 2:
            raise UserError(
                f"{data}: the {len(samples.labels)} samples that were read are of one class: shuffle them, "
                "or give arrays or a Dataset, of which samples are drawn at random"
            )
        statistics = measure(samples)
        return cls(compare(statistics, reference), statistics.classes, Transfer.load())

    def outlook(self, prediction: Prediction) -> Outlook:
        """A prediction, on this data."""
        found = self.transfer.accuracy(
            prediction.accuracy, prediction.interval, self.classes, self.similarity.distance
        )
        return Outlook(self.similarity, self.classes, *found)

    def outlook_of_gain(
        self,
        before: Prediction,
        after: Prediction,
        interval: tuple[float, float],
        measured: float | None = None,
    ) -> Outlook:
        """A better network, on this data.

        Args:
            before: Of the network to start from.
            after: Of the better one.
            interval: Of the gain between them, on the reference.
            measured: Accuracy of the network to start from on this data, where the user knows it: without it
                gains are bounded for every accuracy that it may have.
        """
        start = self.outlook(before)
        level = start.interval if measured is None else measured
        gain, ends = self.transfer.gain(
            before.accuracy,
            after.accuracy - before.accuracy,
            interval,
            level,
            self.classes,
            self.similarity.distance,
        )
        if measured is None:
            expected = self.outlook(after)
            return Outlook(self.similarity, self.classes, expected.accuracy, expected.interval, gain, ends)
        low, high = (min(max(measured + end, 0.0), 1.0) for end in ends)
        return Outlook(self.similarity, self.classes, measured + gain, (low, high), gain, ends)
