from __future__ import annotations

import ast
import subprocess
from pathlib import Path

import pytest

from nas_assistant.assistant._header import add_header, comment, gain_line, make_diff, strip_header

HEADER = [gain_line(0.8539, 0.8646), *comment("widen conv1")]


def test_the_first_line_is_that_of_the_thesis() -> None:
    assert HEADER[0] == "# NAS - Assist (Performance Gain 0.8539 -> 0.8646 (CIFAR-10 Based))"


@pytest.mark.parametrize(
    ("first", "rest"),
    [
        ("", '"""Docstring."""\nfrom __future__ import annotations\nx = 1\n'),
        ("#!/usr/bin/env python\n", "x = 1\n"),
        ("#!/usr/bin/env python\n# -*- coding: utf-8 -*-\n", "x = 1\n"),
        ("# -*- coding: utf-8 -*-\n", "# a comment\nx = 1\n"),
        ("", "# coding is fun, says a comment\nx = 1\n"),
        ("", "x = 1"),
        ("", ""),
    ],
)
def test_the_header_comes_after_what_has_to_stay_first(first: str, rest: str) -> None:
    text = add_header(first + rest, HEADER)
    assert text == first + "".join(line + "\n" for line in HEADER) + rest
    assert strip_header(text) == first + rest
    ast.parse(text)


def test_a_second_run_replaces_the_header() -> None:
    once = add_header('"""Doc."""\nx = 1\n', HEADER)
    twice = add_header(once, [gain_line(0.1, 0.2)])
    assert twice == f'{gain_line(0.1, 0.2)}\n"""Doc."""\nx = 1\n'


def test_line_ends_stay_as_they_are() -> None:
    assert add_header("x = 1\r\ny = 2\r\n", HEADER[:1]) == f"{HEADER[0]}\r\nx = 1\r\ny = 2\r\n"


def test_a_comment_cannot_become_code() -> None:
    (line,) = comment("first\nimport os\r\x0cos.remove()\x1b[2J")
    assert len(line.splitlines()) == 1 and line.isprintable()


def test_a_long_comment_is_wrapped_and_ends() -> None:
    lines = comment("word " * 1000)
    assert 2 < len(lines) < 9 and max(map(len, lines)) <= 100 and lines[-1].endswith(" word ...")
    assert all(line.startswith("# NAS - Assist: ") for line in lines)
    assert strip_header(add_header("x = 1\n", [gain_line(0.1, 0.2), *lines])) == "x = 1\n"


def test_what_several_edits_say_of_one_place_is_not_cut_off() -> None:
    steps = "; ".join(f"repeat layer stage2.0.branch2.{step} (line 41): once more" for step in range(7))
    told = f"line 43 is changed: ReLU -> SiLU (left of: {steps}): so less or other of it may help-more"
    lines = [line.removeprefix("# NAS - Assist: ").strip() for line in comment(told)]
    assert " ".join(lines) == told


@pytest.mark.parametrize("name", ["model.py", "my model.py"])
@pytest.mark.parametrize(("before", "after"), [("a\nb\n", "a\nc\n"), ("a\nb", "a\nc"), ("a\nb", "a\nb\nc\n")])
def test_patch_reads_the_diff(tmp_path: Path, before: str, after: str, name: str) -> None:
    path = tmp_path / name
    path.write_text(before)
    diff = make_diff(before, after, name, HEADER)
    assert diff.startswith("\n".join(HEADER) + f"\n--- a/{name}")
    try:
        done = subprocess.run(["patch", "-p1"], input=diff, text=True, cwd=tmp_path, capture_output=True)
    except FileNotFoundError:
        pytest.skip("patch is not installed")
    assert done.returncode == 0, done.stdout + done.stderr
    assert path.read_text() == after
