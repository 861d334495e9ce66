"""The candidates of a run against each other: trained a little, and the promising ones more."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scipy.stats import norm

from nas_assistant.assistant import RunDirectory, load_predictor, read_config, read_run
from nas_assistant.errors import ModelError, UserError
from nas_assistant.verify._bench import Bench
from nas_assistant.verify._recipe import Recipe
from nas_assistant.verify._subject import Subject
from nas_assistant.verify._unit import Epoch

if TYPE_CHECKING:
    from nas_assistant.predictors import Predictor

_NOISE = 0.015
_LEAST_DEVIATION = 1e-3
_COVERED = 0.9


@dataclass(frozen=True, slots=True)
class Contender:
    """A candidate of a run, with what the predictor said of it.

    Attributes:
        number: In the run; 0 is the user's own model.
        subject: The model.
        gain: Predicted accuracy less that of the user's own.
        deviation: One standard deviation of that prediction.
    """

    number: int
    subject: Subject
    gain: float
    deviation: float


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a contender came.

    Attributes:
        contender: The candidate.
        accuracies: After each of its epochs.
        score: Its gain as measurement and prediction together have it; None before the first rung.
        failure: Why its training failed, or None.
    """

    contender: Contender
    accuracies: tuple[float, ...]
    score: float | None
    failure: str | None = None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data."""
        return {
            "candidate": self.contender.number,
            "predicted_gain": self.contender.gain,
            "predicted_deviation": self.contender.deviation,
            "epochs": len(self.accuracies),
            "curve": list(self.accuracies),
            "score": self.score,
            "failure": self.failure,
        }


@dataclass(frozen=True, slots=True)
class Contest:
    """What is to be trained, as it can be sent to another machine.

    Attributes:
        folder: Of the trainings; on a cluster, one that every machine sees.
        data: Where samples come from.
        recipe: How all are trained.
        contenders: The user's own model first, then by predicted gain, the highest first.
        seed: Of every training.
        rate: Of a rung's contenders, one in so many goes on.
    """

    folder: Path
    data: str
    recipe: Recipe
    contenders: tuple[Contender, ...]
    seed: int = 0
    rate: int = 3

    @property
    def rungs(self) -> tuple[int, ...]:
        """Epochs at which contenders are compared, the last one included."""
        rung, found = self.least, [self.recipe.epochs]
        while rung < self.recipe.epochs:
            found.insert(-1, rung)
            rung *= self.rate
        return tuple(found)

    @property
    def least(self) -> int:
        """Epochs of the first rung: a ninth of all, at least one."""
        return max(1, self.recipe.epochs // self.rate**2)

    def scores(self, number: int, bench: Bench) -> Iterator[tuple[int, float]]:
        """Train a contender from rung to rung, and give the epochs and the score at each.

        The user's own model is trained to the end first: what counts is the difference to it. A candidate
        that fails has no further scores, and its folder says why.

        Raises:
            ModelError: The user's own model fails.
        """
        original, contender = self.contenders[0], self._contender(number)
        base = bench.train(original.subject, self.seed)
        for rung in self.rungs:
            try:
                epochs = bench.train(contender.subject, self.seed, rung)
            except ModelError as error:
                bench.unit(contender.subject, self.seed).fail(str(error))
                return
            yield rung, self.score(contender, epochs, base)

    def score(self, contender: Contender, epochs: list[Epoch], base: list[Epoch]) -> float:
        """The gain that is to be expected: the predictor's is the prior, what was measured the evidence.

        Both are normal; the less a contender was trained, the less its difference counts, as
        ``0.015 sqrt(all epochs / epochs)`` of deviation.
        """
        measured = epochs[-1].accuracy - base[len(epochs) - 1].accuracy
        noise = _NOISE**2 * self.recipe.epochs / len(epochs)
        prior = max(contender.deviation, _LEAST_DEVIATION) ** 2
        return (contender.gain / prior + measured / noise) / (1 / prior + 1 / noise)

    def standings(self, bench: Bench) -> tuple[Standing, ...]:
        """What was trained, the longest and best first."""
        base = bench.unit(self.contenders[0].subject, self.seed).epochs()
        found = []
        for contender in self.contenders:
            unit = bench.unit(contender.subject, self.seed)
            epochs = unit.epochs()
            known = bool(epochs) and len(base) >= len(epochs)
            score = self.score(contender, epochs, base) if known else None
            accuracies = tuple(epoch.accuracy for epoch in epochs)
            found.append(Standing(contender, accuracies, score, unit.failure()))
        return tuple(sorted(found, key=lambda one: (-len(one.accuracies), -(one.score or 0.0))))

    def _contender(self, number: int) -> Contender:
        return next(one for one in self.contenders if one.number == number)


def read_contenders(
    run_dir: str | Path, top: int, *, predictor: Predictor | None = None, checkpoint: str | Path | None = None
) -> tuple[Contender, ...]:
    """The user's own model, the run's best, and further candidates as the predictor ranks them.

    Args:
        run_dir: The folder of a run of ``improve``.
        top: Candidates to take.
        predictor: The run's; loaded from the checkpoint by default.
        checkpoint: Where it is, the shipped one by default.

    Raises:
        UserError: The folder holds no run, or a damaged one, or ``top`` is not positive.
    """
    run_dir = Path(run_dir)
    if top < 1:
        raise UserError(f"--top {top}: at least 1")
    if read_config(run_dir) is None:
        raise UserError(f"{run_dir}: not the folder of a run of 'nas-assistant improve'")
    predictor = predictor or load_predictor(checkpoint)
    with closing(RunDirectory(run_dir)) as run:
        record = read_run(run)
        valid = [one for one in record.candidates if one.failure is None and one.accuracy is not None]
        valid.sort(key=lambda one: (one.number != record.best, -(one.trusted_gain or 0.0), one.number))
        numbers = [0, *(one.number for one in valid[:top])]
        texts = [record.source, *(run.read_source(number) for number in numbers[1:])]
        graphs = [record.graph(number) for number in numbers]
    path, config = Path(str(record.config["model"])), record.config
    predictions = predictor.predict_many(graphs)
    width = float(norm.ppf(0.5 + _COVERED / 2)) * 2
    contenders = []
    for number, text, graph, prediction in zip(numbers, texts, graphs, predictions, strict=True):
        name = f"candidate {number}" if number else path.name
        subject = Subject(name, path, text, str(config["entry"]), str(config["framework"]), graph)
        low, high = predictor.gain_interval(predictions[0], prediction)
        gain = prediction.accuracy - predictions[0].accuracy
        contenders.append(Contender(number, subject, gain, (high - low) / width if number else 0.0))
    return tuple(contenders)
