"""The header tells what is in the file, not what was tried on the way."""

from __future__ import annotations

from nas_assistant.assistant._changes import changes_left

FILE = """\
a = Conv(8)
b = Pool()
c = Conv(
    16,
    kernel=3,
)
d = Dense(10)
"""


def _with(source: str, *pairs: tuple[str, str]) -> str:
    for old, new in pairs:
        assert old in source
        source = source.replace(old, new)
    return source


def test_lines_are_those_of_the_user_s_file() -> None:
    first = _with(FILE, ("a = Conv(8)\n", "a = Conv(8)\nn = Norm()\nr = ReLU()\n"))
    second = _with(first, ("kernel=3", "kernel=5"), ("Dense(10)", "Dense(12)"))
    told = ("change c (line 5): 3 -> 5", "widen d (line 9): 10 -> 12")
    assert changes_left([(FILE, ("add norm a (line 1): why",)), (first, told)], second) == (
        "add norm a (line 1): why",
        "change c (line 3): 3 -> 5",
        "widen d (line 7): 10 -> 12",
    )


def test_what_was_taken_back_is_not_told() -> None:
    first = _with(FILE, ("Conv(8)", "Conv(16)"), ("b = Pool()\n", ""))
    second = _with(first, ("Conv(16)", "Conv(8)"))
    steps = [(FILE, ("widen a (line 1)", "remove b (line 2)")), (first, ("narrow a (line 1)",))]
    assert changes_left(steps, second) == ("remove b (line 2)",)


def test_a_change_of_what_was_put_in_is_told_at_the_line_above() -> None:
    first = _with(FILE, ("b = Pool()\n", "b = Pool()\nn = Conv(8)\n"))
    second = _with(first, ("n = Conv(8)", "n = Conv(32)"))
    told = changes_left(
        [(FILE, ("insert n (line 2)",)), (first, ("widen n (line 3)", "as it likes"))], second
    )
    assert told == ("insert n (line 2)", "widen n (line 2)", "as it likes")


def test_steps_at_one_place_are_one() -> None:
    steps = [
        ("Conv(8)", "Conv(16)"),
        ("Conv(16)", "Conv(24)"),
        ("Dense(10)", "Dense(12)"),
        ("Dense(12)", "Dense(10)"),
    ]
    told = (
        "widen a (line 1): 8 -> 16: helps",
        "widen a (line 1): 16 -> 24: helps more",
        "widen d (line 7): 10 -> 12",
        "widen d (line 7): 12 -> 10",
    )
    sources = [FILE]
    for step in steps:
        sources.append(_with(sources[-1], step))
    history = [(source, (line,)) for source, line in zip(sources, told, strict=False)]
    assert changes_left(history, sources[-1]) == ("widen a (line 1): 8 -> 24: helps more",)
    both = _with(sources[-1], ("d = Dense(10)", "d = Dense(10, relu)"))
    assert changes_left(history, both) == ("widen a (line 1): 8 -> 24: helps more",)


def test_what_is_put_in_before_a_changed_line_is_told() -> None:
    best = _with(FILE, ("a = Conv(8)\nb = Pool()", "a = Conv(8)\nn = Norm()\nb = Mean()"))
    told = ("add norm a (line 1)", "swap pool b (line 2)", "widen d (line 7)")
    assert changes_left([(FILE, told)], best) == told[:2]


def test_nothing_and_what_cannot_be_found() -> None:
    assert changes_left([], FILE) == ()
    moved = _with(FILE, ("Dense(10)", "Dense(20)"))
    assert changes_left([(FILE, ("somewhere (line 1)",))], moved) == ("somewhere (line 1)",)
