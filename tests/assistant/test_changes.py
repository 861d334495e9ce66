"""The header tells what is in the file, not what was tried on the way."""

from __future__ import annotations

from collections.abc import Sequence

from assistant.helpers import read_edit
from nas_assistant.assistant import _changes
from nas_assistant.assistant._hunks import Diff


def changes_left(steps: Sequence[tuple[str, Sequence[str]]], best: str) -> tuple[str, ...]:
    """What is left of steps whose edits are written as they are told."""
    return _changes.changes_left([(source, list(map(read_edit, told))) for source, told in steps], best)


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


def test_a_change_of_what_was_put_in_is_told_as_behind_the_line_above() -> None:
    first = _with(FILE, ("b = Pool()\n", "b = Pool()\nn = Conv(8)\n"))
    second = _with(first, ("n = Conv(8)", "n = Conv(32)"))
    told = changes_left(
        [(FILE, ("insert n (line 2)",)), (first, ("widen n (line 3)", "as it likes"))], second
    )
    assert told == ("insert n (line 2)", "widen n (added after line 2)", "as it likes")


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
    assert changes_left(history, both) == ("widen a (line 1): 8 -> 24: helps more", "line 7 is changed")


def test_what_is_put_in_before_a_changed_line_is_told() -> None:
    best = _with(FILE, ("a = Conv(8)\nb = Pool()", "a = Conv(8)\nn = Norm()\nb = Mean()"))
    told = ("add norm a (line 1)", "swap pool b (line 2)", "widen d (line 7)")
    assert changes_left([(FILE, told)], best) == told[:2]


def test_nothing_and_what_cannot_be_found() -> None:
    assert changes_left([], FILE) == ()
    moved = _with(FILE, ("Dense(10)", "Dense(20)"))
    assert changes_left([(FILE, ("somewhere (line 1)",))], moved) == ("somewhere (line 7)",)


def _history(
    *steps: tuple[tuple[tuple[str, str], ...], tuple[str, ...]], source: str = FILE
) -> tuple[str, ...]:
    """What is left of steps, each the replacements that it makes and what it tells."""
    history = []
    for pairs, told in steps:
        history.append((source, told))
        source = _with(source, *pairs)
    return changes_left(history, source)


def test_a_change_in_several_places_is_left_while_one_of_them_is() -> None:
    both = (("Conv(8)", "Conv(12)"), ("Dense(10)", "Dense(12)"))
    told = "scale width a (line 1): 8 -> 12 channels, in 2 places: helps"
    assert _history((both, (told,))) == (told,)
    rest = ("scale width a (line 7): 8 -> 12 channels: helps",)
    assert _history((both, (told,)), ((("Conv(12)", "Conv(8)"),), ())) == rest
    assert not _history((both, (told,)), (tuple((new, old) for old, new in both), ()))


def test_what_came_back_to_an_earlier_text_is_told_once() -> None:
    there, back = ("b = Pool()", "b = Pool() + a"), ("b = Pool() + a", "b = Pool()")
    skip, drop = "add skip pool (line 2): Pool + a", "drop branch a (line 2): a"
    assert _history(((there,), (skip,)), ((back,), (drop,)), ((there,), (skip,))) == (skip,)
    other = ("Dense(10)", "Dense(12)")
    told = _history(((there,), (skip,)), ((back, other), (drop, "widen d (line 7)")))
    assert told == ("widen d (line 7)",)


def test_only_what_was_the_user_s_is_told_as_taken_out() -> None:
    put_in = ("b = Pool()\n", "b = Pool()\nn = Norm()\nr = ReLU()\n")
    told = (
        ((put_in,), ("insert block b (line 2)",)),
        (
            (("n = Norm()\n", ""), ("d = Dense(10)\n", "")),
            ("remove layer n (line 3): norm", "drop d (line 9)"),
        ),
    )
    assert _history(*told) == (
        "drop d (line 7)",
        "lines are added after line 2: ReLU (left of: insert block b (line 2))",
    )


def test_steps_go_on_where_the_layer_became_the_first_of_a_sequence() -> None:
    wrapped = ("b = Pool()", "b = Seq(\n    Conv(5),\n    ReLU(),\n)")
    start = _with(FILE, ("b = Pool()", "b = Conv(7)"))
    first = _with(start, ("Conv(7)", "Conv(9)"))
    second = _with(FILE, (wrapped[0], wrapped[1].replace("5", "9")))
    steps = [
        (start, ("change kernel b (line 2): 7x7 -> 9x9 kernel: hurts",)),
        (first, ("repeat layer b (line 2): once more behind itself",)),
        (second, ("change kernel b.0 (line 3): 9x9 -> 5x5 kernel: still hurts",)),
    ]
    assert changes_left(steps, _with(FILE, wrapped)) == (
        "repeat layer b (line 2): once more behind itself",
        "change kernel b (line 2): 7x7 -> 5x5 kernel: still hurts",
    )


def test_steps_of_two_layers_in_one_line_are_two() -> None:
    start = _with(FILE, ("Pool()", "Seq(Conv(3), Conv(5))"))
    first, best = (
        _with(start, ("Conv(3)", "Conv(5)")),
        _with(start, ("Seq(Conv(3), Conv(5))", "Seq(Conv(5), Conv(7))")),
    )
    told = ("change kernel b.0 (line 2): 3 -> 5", "change kernel b.1 (line 2): 5 -> 7")
    assert changes_left([(start, told[:1]), (first, told[1:])], best) == told


def test_a_hunk_that_no_line_explains_is_told_plainly() -> None:
    new = (
        ("a = Conv(8)\n", "import x\na = Conv(8)\n"),
        ("b = Pool()", "b = Mean()"),
        ("Dense(10)", "Dense()"),
    )
    added, swapped, changed = (
        "lines are added before line 1",
        "line 2 is changed: Pool -> Mean",
        "line 7 is changed",
    )
    assert _history((new, ())) == (added, swapped, changed)
    # What a change brings with it elsewhere is its own.
    assert _history((new, ("swap pool b (line 2)",))) == ("swap pool b (line 2)",)
    assert _history((new, ("swap pool b (line 2)",)), ((("Mean", "Pool"),), ())) == (added, changed)
    assert _history((new, ("as it likes",))) == ("as it likes",)


NEST = """\
block = Seq(
    Conv(8),
    Norm(8),
    ReLU(),
    Conv(16),
    ReLU(),
)
"""


def _nested(*steps: tuple[str, tuple[str, ...]]) -> tuple[str, ...]:
    """What is left of steps, each what it makes of :data:`NEST` and what it tells."""
    sources = [NEST, *(source for source, _ in steps)]
    told = [told for _, told in steps]
    return changes_left(list(zip(sources, told, strict=False)), sources[-1])


def _behind(source: str, line: int, *lines: str) -> str:
    """A source with lines put in behind a line, from 1."""
    given = source.splitlines(keepends=True)
    return "".join((*given[:line], *(f"    {text},\n" for text in lines), *given[line:]))


def test_what_was_taken_back_within_a_statement_is_not_told() -> None:
    block = _behind(NEST, 5, "Pool()")
    first = _with(_behind(block, 2, "Norm(9)"), ("    Norm(8),\n    ReLU()", "    Norm(8),\n    GELU()"))
    pool, changed = "insert block block.3 (line 5): pool", "change activation block.3 (line 5): relu -> gelu"
    norm = "add norm block.0 (line 2): helps"
    assert _nested((block, (pool,)), (first, (norm, changed))) == (pool, norm, changed.replace("5", "4"))
    assert _nested((block, (pool,)), (first, (norm, changed)), (block, ())) == (pool,)
    dropout = _behind(block, 4, "Dropout()")
    told = ((dropout, ("add dropout block.2 (line 4): .1",)), (block, ("drop dropout block.3 (line 5): .1",)))
    assert _nested((block, (pool,)), *told) == (pool,)


def test_what_something_was_taken_out_of_is_told_plainly() -> None:
    insert = "insert block block.0 (line 2)"
    first = _behind(NEST, 2, "GELU()", "Depthwise(8)", "Pointwise(8)")
    second = _with(first, ("    Pointwise(8),\n", ""))
    told = _nested((first, (insert,)), (second, ("remove layer block.3 (line 5): conv",)))
    assert told == (f"lines are added after line 2: GELU, Depthwise (left of: {insert})",)
    why = f"{insert}: the layer helps"
    told = _nested((first, (why,)), (second, ("remove layer block.3 (line 5): conv",)))
    assert told == (f"lines are added after line 2: GELU, Depthwise (left of: {insert}): the layer helps",)
    wrapped = _with(FILE, ("Pool()", "Seq(Pool(), Dropout())"))
    told = changes_left(
        [(FILE, ("add dropout b (line 2)",)), (wrapped, ("drop dropout b.1 (line 2)",))],
        _with(FILE, ("Pool()", "Seq(Pool())")),
    )
    assert told == ("line 2 is changed: Pool -> Seq, Pool (left of: add dropout b (line 2))",)


def test_steps_of_a_layer_whose_number_shifts_are_one() -> None:
    first = _with(NEST, ("    Norm(8),\n    ReLU()", "    Norm(8),\n    GELU()"))
    second = _behind(first, 2, "Conv(9)")
    third = _with(second, ("GELU", "SiLU"))
    told = _nested(
        (first, ("change activation block.2 (line 4): relu -> gelu",)),
        (second, ("insert block block.0 (line 2)",)),
        (third, ("change activation block.3 (line 5): gelu -> swish",)),
    )
    assert told == ("insert block block.0 (line 2)", "change activation block.2 (line 4): relu -> swish")


def test_a_layer_that_is_repeated_twice_is_told_twice() -> None:
    first = _behind(NEST, 5, "ReLU()", "Conv(16)")
    second = _behind(first, 7, "ReLU()", "Conv(16)")
    told = _nested((first, ("repeat layer block.3 (line 5)",)), (second, ("repeat layer block.5 (line 7)",)))
    assert told == ("repeat layer block.3 (line 5)", "repeat layer block.5 (added after line 5)")


def test_steps_of_two_entries_of_a_list_are_two() -> None:
    start = _with(FILE, ("Pool()", "Net([2, 4])"))
    steps = (("[2, 4]", "[3, 4]"), ("[3, 4]", "[4, 4]"), ("[4, 4]", "[4, 5]"))
    told = (
        "change repeats depths[0] (line 2): 2 -> 3 repetitions",
        "change repeats depths[0] (line 2): 3 -> 4 repetitions",
        "change repeats depths[1] (line 2): 4 -> 5 repetitions",
    )
    history = (((step,), (line,)) for step, line in zip(steps, told, strict=True))
    assert _history(*history, source=start) == (
        "change repeats depths[0] (line 2): 2 -> 4 repetitions",
        told[2],
    )


def test_lines_changed_beside_each_other_keep_their_numbers() -> None:
    first = _with(FILE, ("Conv(8)\nb = Pool()", "Seq(\n    Conv(8),\n    ReLU(),\n)\nb = Seq(Pool())"))
    second = _with(first, ("ReLU()", "GELU()"))
    told = ("insert block a (line 1)", "add dropout b (line 2)")
    steps = [(FILE, told), (first, ("change activation a.1 (line 3): relu -> gelu",))]
    assert changes_left(steps, second) == (*told, "change activation a.1 (line 1): relu -> gelu")


def test_what_a_joined_step_brings_along_is_its_own() -> None:
    first = _with(FILE, ("Conv(8)", "Conv(12)"), ("Dense(10)", "Dense(10, 12)"))
    second = _with(first, ("Conv(12)", "Conv(16)"))
    steps = [(FILE, ("widen a (line 1): 8 -> 12",)), (first, ("widen a (line 1): 12 -> 16",))]
    assert changes_left(steps, second) == ("widen a (line 1): 8 -> 16",)


def test_lines_with_one_target_are_paired_by_what_they_call() -> None:
    before = "x = Dense(64)(x)\nx = Dropout(0.3)(x)\nx = Dense(32)(x)\n"
    diff = Diff(before, "x = Dense(64)(x)\nx = Dense(48)(x)\n")
    (hunk,) = diff.hunks()
    parts = [(part.describe(), part.new_end - part.new_start) for part in diff.parts(hunk)]
    assert parts == [("line 2", 0), ("line 3", 1)]


SIDE_BY_SIDE = """\
net = Seq(Conv(3),
          MaxPool(2),
          Conv(5), ReLU(),
          MaxPool(2))
"""


def _parts(before: str, *lines: str) -> list[tuple[str, int]]:
    """How a hunk is split that makes these lines of the second and third one of a text."""
    old = before.splitlines(keepends=True)
    diff = Diff(before, "".join((old[0], *(f"          {line},\n" for line in lines), old[-1])))
    (hunk,) = diff.hunks()
    return [(part.describe(), part.new_end - part.new_start) for part in diff.parts(hunk)]


def test_a_line_of_several_layers_goes_with_what_became_of_them() -> None:
    split = ("Conv(5)", "ReLU()", "Conv(3)", "Norm(), ReLU()")
    assert _parts(SIDE_BY_SIDE, "AvgPool(2)", *split) == [("line 2", 1), ("line 3", 2), ("after line 3", 2)]
    other = ("Conv(5)", "GELU()", "Conv(3)", "Norm(), GELU()")
    assert _parts(SIDE_BY_SIDE, "AvgPool(2)", *other) == [("line 2", 1), ("line 3", 4)]
    assert _parts(SIDE_BY_SIDE, "AvgPool(2)", "Conv(5)") == [("line 2", 1), ("line 3", 1)]


def test_a_change_that_came_back_within_another_is_not_told_plainly() -> None:
    start = _with(FILE, ("Pool()", "Conv(3)"))
    kernel = (_with(start, ("Conv(3)", "Conv(5)")), ("change kernel b (line 2): 3 -> 5: helps",))
    told = ("insert block b (line 2): conv", "change kernel b (line 2): 5 -> 3: hurts")
    best = _with(start, ("Conv(3)", "Seq(\n    Conv(k=3),\n    ReLU(),\n)"))
    assert changes_left([(start, kernel[1]), (kernel[0], told)], best) == told[:1]
    plain = ("line 2 is changed: Conv -> Seq, Conv, ReLU",)
    assert changes_left([(start, kernel[1]), (kernel[0], told[1:])], best) == plain


def test_what_slid_into_another_change_is_told_with_it() -> None:
    block = "    Conv(8),\n    Norm(8),\n    ReLU(),\n"
    best = _with(NEST, (block, block + block.replace("ReLU", "GELU") + "    Dropout(),\n"))
    told = (
        "add dropout block.2 (line 4): .1",
        "insert block block.0 (line 2): conv",
        "change activation block.2 (line 4): relu -> gelu",
    )
    assert changes_left([(NEST, told)], best) == told


DROP, ADD = "drop dropout net.9 (line 2): hurts", "add dropout net.8 (line {}): helps"


def test_what_takes_the_place_of_what_an_earlier_step_took_out_is_told_once() -> None:
    for line, number in (("    ReLU(), Dropout(0.5)", 2), ("    Dropout(0.5)", 1)):
        start = f"net = Seq(\n{line},\n)\n"
        first = _with(start, (", Dropout(0.5)" if number == 2 else "    Dropout(0.5),\n", ""))
        steps = [(start, (DROP,)), (first, (ADD.format(number),))]
        told = changes_left(steps, _with(start, ("0.5", "0.3")))
        assert told == ("line 2 is changed: Dropout(0.5) -> Dropout(0.3): helps",)


def test_what_is_put_in_elsewhere_in_the_line_is_told_apart() -> None:
    start = "net = Seq(\n    Dropout(0.5), ReLU(),\n)\n"
    first = _with(start, ("Dropout(0.5), ", ""))
    add = ADD.format(2)
    told = changes_left([(start, (DROP,)), (first, (add,))], _with(first, ("ReLU()", "ReLU(), Dropout(0.3)")))
    assert told == (DROP, add)


def test_two_that_put_in_behind_one_line_are_told_though_a_diff_joins_one_with_the_next_change() -> None:
    file = "a = Conv(8)\nr = ReLU()\nb = Max()\n"
    first = "a = Conv(8)\nn = Norm()\nr = ReLU()\nk = Conv(8)\nb = Mean()\n"
    second = first.replace("n = Norm()\n", "")
    told = ("swap pool b (line 3)", "add norm a (line 1): why", "insert block a (line 1)")
    assert changes_left([(file, told), (first, ())], second) == (told[0], told[2])
