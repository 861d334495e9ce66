"""What generators share that ask a model."""

from __future__ import annotations

from pathlib import Path

from nas_assistant.generators._base import BaseGenerator, Limits, Proposal, Request, Usage
from nas_assistant.generators._ranges import LARGEST_SEED
from nas_assistant.generators._recorded import RecordedEndpoint


class AskingGenerator(BaseGenerator):
    """A generator that asks a model, through what records its exchanges and keeps to the run's limits.

    A subclass overrides :meth:`stream`.

    Args:
        model: What is asked.
        seed: Added to the seed of each request.
    """

    def __init__(self, model: RecordedEndpoint, seed: int) -> None:
        self._model, self._seed = model, seed

    def propose(self, request: Request) -> list[Proposal]:
        """Ask for up to ``proposals`` changes.

        Raises:
            LimitReached: A limit of the run left no room for the first of them.
            UserError: The model cannot be loaded or asked, fails again and again, or the prompt is too long.
        """
        return list(self.stream(request))

    def check(self, limits: Limits) -> None:
        """See that what is to be asked is there, and that the prices are known where dollars are limited.

        Raises:
            UserError: One of them is not so.
        """
        self._model.check(limits)

    def begin(self, folder: Path, limits: Limits) -> None:
        """Write every exchange to ``exchanges.sqlite`` in a run directory, and keep to the run's limits.

        Raises:
            UserError: The file cannot be used.
        """
        self._model.begin(folder, limits)

    def usage(self) -> Usage:
        """What the run read, wrote and cost so far."""
        return self._model.usage

    def close(self) -> None:
        """Close the log, and end the model's process or the connections to the endpoint."""
        self._model.close()

    def _draw(self, request: Request, place: int) -> int:
        """Seed of one answer of a request."""
        return (self._seed + request.seed + place) % LARGEST_SEED
