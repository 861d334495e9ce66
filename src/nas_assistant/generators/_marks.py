"""How models are asked to fill a gap: the marks that each of them was trained with."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol


class Style(Protocol):
    """One way to mark gaps.

    Attributes:
        name: Its name.
        marks: Tokens of the vocabulary without which a model does not know it.
        ends: Tokens that end a fill.
    """

    @property
    def name(self) -> str: ...

    @property
    def marks(self) -> tuple[str, ...]: ...

    @property
    def ends(self) -> tuple[str, ...]: ...

    def prompt(self, parts: Sequence[str], codes: Sequence[str], fills: Sequence[str]) -> str:
        """The text that a model goes on from to fill the next gap.

        Args:
            parts: The text before, between and after the gaps: one more than gaps.
            codes: What stood in each gap.
            fills: What has been filled in so far, for the first gaps.
        """
        ...


@dataclass(frozen=True, slots=True)
class FillInTheMiddle:
    """One gap at a time: what is before it, what is after it, then the middle (Bavarian et al. 2022).

    The gaps that are still to come hold what stood in them.
    """

    name: str
    before: str
    after: str
    middle: str
    ends: tuple[str, ...]

    @property
    def marks(self) -> tuple[str, ...]:
        """The three marks."""
        return (self.before, self.after, self.middle)

    def prompt(self, parts: Sequence[str], codes: Sequence[str], fills: Sequence[str]) -> str:
        """As :meth:`Style.prompt`."""
        place = len(fills)
        before = _woven(parts[: place + 1], fills)
        after = _woven(parts[place + 1 :], codes[place + 1 :])
        return f"{self.before}{before}{self.after}{after}{self.middle}"


@dataclass(frozen=True, slots=True)
class Sentinels:
    """All gaps at once, each with a mark of its own, filled behind the text (Fried et al. 2022, InCoder).

    ``a <|mask:0|> b <|mask:1|>`` asks with ``<|mask:0|>``, and the fill ends in ``<|endofmask|>``. The mark
    after the text is one that no gap has: without it, InCoder's authors found, fills end late.
    """

    name: str
    mark: str
    end: str

    @property
    def marks(self) -> tuple[str, ...]:
        """The first two marks and the end."""
        return (self.mark.format(0), self.mark.format(1), self.end)

    @property
    def ends(self) -> tuple[str, ...]:
        """The end of a fill."""
        return (self.end,)

    def prompt(self, parts: Sequence[str], codes: Sequence[str], fills: Sequence[str]) -> str:
        """As :meth:`Style.prompt`."""
        marked = "".join(part + self.mark.format(place) for place, part in enumerate(parts))
        filled = "".join(self.mark.format(place) + fill + self.end for place, fill in enumerate(fills))
        return marked + filled + self.mark.format(len(fills))


STYLES: dict[str, Style] = {
    style.name: style
    for style in (
        FillInTheMiddle(
            "qwen",  # and CodeGemma
            "<|fim_prefix|>",
            "<|fim_suffix|>",
            "<|fim_middle|>",
            (
                "<|fim_pad|>",
                "<|file_sep|>",
                "<|file_separator|>",
                "<|repo_name|>",
                "<|endoftext|>",
                "<|im_end|>",
            ),
        ),
        FillInTheMiddle(
            "starcoder",
            "<fim_prefix>",
            "<fim_suffix>",
            "<fim_middle>",
            ("<fim_pad>", "<file_sep>", "<|endoftext|>"),
        ),
        FillInTheMiddle("codellama", "▁<PRE>", "▁<SUF>", "▁<MID>", ("▁<EOT>", "</s>")),
        FillInTheMiddle(
            "deepseek",
            "<｜fim▁begin｜>",
            "<｜fim▁hole｜>",
            "<｜fim▁end｜>",
            ("<|EOT|>", "<｜end▁of▁sentence｜>"),
        ),
        Sentinels("incoder", "<|mask:{}|>", "<|endofmask|>"),
    )
}
"""The ways that are known, by name, the likeliest first."""

_ANY_MARK = re.compile(r"<(?=[|｜/]?[\w▁:]+[|｜]?>)")
_CHAT_MARK = re.compile(r"<(?=[|｜][\w▁:]+[|｜]>)")


def disarm(text: str, *, chat: bool = False) -> str:
    """The text with a space in whatever a model might take for a mark of its own, such as ``<|fim_middle|>``.

    It is for the prompt alone: the file keeps what it says.

    Args:
        text: A piece of the file.
        chat: Leave what has no bars, such as ``<b>``: a model may have to repeat the text.
    """
    return (_CHAT_MARK if chat else _ANY_MARK).sub("< ", text)


def _woven(parts: Sequence[str], between: Sequence[str]) -> str:
    return "".join(part + code for part, code in zip(parts, [*between, ""], strict=True))
