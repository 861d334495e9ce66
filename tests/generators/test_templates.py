from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from nas_assistant.edits import Edit
from nas_assistant.errors import UserError
from nas_assistant.generators import Attempt, Constraints, Request
from nas_assistant.generators._prompts import make_messages
from nas_assistant.generators._templates import find_prompt, list_prompts

Make = Callable[..., Request]
LIMITS = Constraints(max_parameters=2000, max_flops=10**6, allowed_operations=frozenset({"conv", "gelu"}))


@pytest.mark.parametrize("name", list_prompts())
def test_each_prompt_holds_what_it_should(make_request: Make, name: str) -> None:
    request = make_request(
        constraints=LIMITS,
        history=(Attempt((Edit("widen", "conv1", 9),), accuracy=0.86, gain=0.01),),
    )
    prompt = find_prompt(name)
    told = make_messages(prompt, request, request.relevance, ())[1]["content"]
    assert "self.conv1 = nn.Conv2d(3, 8, 3, padding=1)  # relevance +0.500\n" in told
    assert "1. conv2 (conv, line 11): -0.250\n" in told
    assert (
        "based off the ranking and\nthe code that follows" in told or "based off the ranking and the" in told
    )
    strict, thesis = name.endswith("_strict"), name.startswith("thesis")
    assert ("acceptable operations are: conv, gelu." in told) == strict
    assert ("at most 2,000 parameters" in told) == strict
    assert ("widen conv1 (line 9) -> predicted accuracy 0.8600, gain +0.0100" in told) == (not thesis)
    left = f"{2000 - request.graph.parameters:,} more parameters"
    assert ("What is left: " + left in told) == (not thesis)
    assert "$" not in told
    assert prompt.format == ("whole_file" if thesis else name.removesuffix("_strict"))


def test_the_budget_of_a_request_without_limits(make_request: Make) -> None:
    told = make_messages("whole_file", make_request(), ())[1]["content"]
    assert "What is left: no limit is set.\n" in told


def test_a_run_with_more_rounds_asks_in_the_same_words(make_request: Make) -> None:
    few, more = (make_messages("operations", make_request(rounds_left=left), ()) for left in (1, 9))
    assert few == more


def test_a_prompt_of_ones_own(make_request: Make, tmp_path: Path) -> None:
    path = tmp_path / "mine.md"
    path.write_text("Better, for $$5: ${source}\nof $edits$listed")
    prompt = find_prompt(str(path))
    assert prompt.format == "operations"
    told = make_messages(prompt, make_request(), ())[1]["content"]
    assert told.startswith("Better, for $5: --- begin source ") and "class Net" in told


@pytest.mark.parametrize(
    ("text", "format", "told"),
    [
        ("hello\n$sauce $source", "whole_file", r"mine\.md:2: no value \$sauce: use one of accuracy, "),
        ("$source costs 5 $", "whole_file", r"mine\.md:1: a \$ without a name"),
        ("hello", "whole_file", r"has to say \$source"),
        ("$$source", "whole_file", r"has to say \$source"),
        ("$source", "operations", r"has to say \$edits"),
        ("\udcff", "whole_file", "UTF-8"),
        ("x" * 2**21, "whole_file", "that is no prompt"),
    ],
)
def test_a_bad_prompt_is_told_with_its_line(tmp_path: Path, text: str, format: str, told: str) -> None:
    path = tmp_path / "mine.md"
    path.write_bytes(text.encode(errors="surrogateescape"))
    with pytest.raises(UserError, match=told) as caught:
        find_prompt(str(path), format)  # type: ignore[arg-type]
    assert "\n" not in str(caught.value)


def test_a_prompt_that_is_not_there_or_for_another_format(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r"no such file: .* thesis, thesis_strict"):
        find_prompt("thesys")
    with pytest.raises(UserError, match="asks for the format whole_file, not --format operations"):
        find_prompt("thesis", "operations")
    with pytest.raises(UserError, match="cannot be read"):
        find_prompt(str(tmp_path))
