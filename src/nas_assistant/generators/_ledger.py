"""What questions to a language model cost, and the limits they keep to."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass, replace

from nas_assistant.errors import UserError
from nas_assistant.generators._base import LimitReached, Limits, Usage

PRICE_VARIABLE = "NAS_ASSISTANT_USD_PER_MILLION"
ANSWER_TOKENS = 4096
"""Most tokens of an answer where a limit holds and the user sets none."""

_MILLION = 1e6
_LEAST_ANSWER = 64
_CAUTIOUS = 3.0


@dataclass(frozen=True, slots=True)
class Prices:
    """Dollars for a million tokens.

    Attributes:
        prompt: Tokens read.
        answer: Tokens written.
    """

    prompt: float
    answer: float

    @classmethod
    def parse(cls, text: str, *, of: str = "--usd-per-million") -> Prices:
        """Read ``IN,OUT``, such as ``0.5,1.5``.

        Args:
            text: Two numbers with a comma between.
            of: Where the text was found, for the message.

        Raises:
            UserError: It is no such text.
        """
        try:
            prompt, answer = (float(part) for part in text.split(","))
        except ValueError:
            prompt = answer = math.nan
        if not (0 <= prompt < math.inf and 0 <= answer < math.inf):
            raise UserError(
                f"{of} {text[:40]!r}: give the dollars for a million tokens read and written, such as 0.5,1.5"
            )
        return cls(prompt, answer)

    def cost(self, prompt: float, answer: float) -> float:
        """Dollars for so many tokens read and written."""
        return (prompt * self.prompt + answer * self.answer) / _MILLION


def find_prices(text: str | None) -> Prices | None:
    """The prices that an option gives, or else the environment, or None.

    Raises:
        UserError: They are not two numbers.
    """
    if text is not None:
        return Prices.parse(text)
    told = os.environ.get(PRICE_VARIABLE, "").strip()
    return Prices.parse(told, of=PRICE_VARIABLE) if told else None


class Ledger:
    """Tokens and dollars so far, held against the limits.

    Args:
        prices: Of the model, or None where they are not known.
        limits: Of the run.
        usage: What was used before.
    """

    def __init__(
        self, prices: Prices | None = None, limits: Limits | None = None, usage: Usage | None = None
    ) -> None:
        self.prices, self.limits = prices, limits or Limits()
        self.usage = usage or Usage(usd=0.0 if prices else None)
        self._per_character = 1 / _CAUTIOUS

    @property
    def limited(self) -> bool:
        """Whether tokens or dollars are limited, and so an answer's length has to be."""
        return self.limits.max_tokens is not None or self.limits.max_usd is not None

    def cost(self, prompt: int, answer: int) -> float | None:
        """Dollars for so many tokens, or None without prices."""
        return self.prices.cost(prompt, answer) if self.prices else None

    def answer_room(self, characters: int, wanted: int | None, *, whole: bool = False) -> int | None:
        """Most tokens that the answer to a prompt may have within the limits, or None for any number.

        Tokens of the prompt are estimated on the high side until the endpoint has counted some.

        Args:
            characters: Length of the prompt.
            wanted: Most tokens of an answer that the user wants, or None.
            whole: Whether an answer of fewer tokens is of no use.

        Raises:
            LimitReached: No useful answer fits.
        """
        if not self.limited:
            return wanted
        room = float(wanted or ANSWER_TOKENS)
        least = room if whole else min(_LEAST_ANSWER, room)
        prompt = math.ceil(characters * self._per_character)
        if self.limits.max_tokens is not None:
            room = min(room, self.limits.max_tokens - self.usage.tokens - prompt)
            if room < least:
                raise LimitReached("tokens")
        if self.limits.max_usd is not None and self.prices is not None:
            left = self.limits.max_usd - (self.usage.usd or 0.0) - self.prices.cost(prompt, 0)
            if self.prices.answer:
                room = min(room, left * _MILLION / self.prices.answer)
            if (left <= 0 and self.prices != Prices(0, 0)) or room < least:
                raise LimitReached("usd")
        return int(room)

    def learn(self, characters: int, prompt_tokens: int) -> None:
        """Take in how many tokens the endpoint counted in a prompt."""
        if characters and prompt_tokens > 0:
            # A conversation's frame costs a few tokens too, so that short prompts look dense.
            self._per_character = max(prompt_tokens / characters, 1 / _CAUTIOUS / 2)

    def charge(self, prompt: int, answer: int) -> None:
        """Count a question that was asked."""
        cost = self.cost(prompt, answer)
        usd = None if cost is None and self.usage.usd is None else (self.usage.usd or 0.0) + (cost or 0.0)
        self.usage = replace(
            self.usage,
            asked=self.usage.asked + 1,
            prompt_tokens=self.usage.prompt_tokens + prompt,
            answer_tokens=self.usage.answer_tokens + answer,
            usd=usd,
        )

    def spare(self) -> None:
        """Count a question that did not have to be asked again."""
        self.usage = replace(self.usage, spared=self.usage.spared + 1)
