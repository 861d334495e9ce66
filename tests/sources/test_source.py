from __future__ import annotations

import ast
import gc
import re
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import nas_assistant
from nas_assistant.sources import expression_tree, syntax_tree

TEXT = "x = [1, (2, 3), f(a.b, c=4)]\n" * 200


@pytest.fixture
def collections_that_let_others_run() -> Iterator[None]:
    def let_others_run(phase: str, info: dict[str, int]) -> None:
        time.sleep(0)

    thresholds = gc.get_threshold()
    gc.callbacks.append(let_others_run)
    gc.set_threshold(20)
    yield
    gc.set_threshold(*thresholds)
    gc.callbacks.remove(let_others_run)


@pytest.mark.usefixtures("collections_that_let_others_run")
def test_two_threads_parse_at_once() -> None:
    wanted = ast.dump(syntax_tree(TEXT))
    with ThreadPoolExecutor(2) as pool:
        for tree in pool.map(syntax_tree, [TEXT] * 10):
            assert ast.dump(tree) == wanted


def test_all_parsing_is_done_in_one_place() -> None:
    package = Path(nas_assistant.__file__).parent
    places = {
        path.name
        for path in package.rglob("*.py")
        if re.search(r"\bast\.parse\(", path.read_text(encoding="utf-8"))
    }
    assert places == {"_source.py"}


@pytest.mark.filterwarnings("error")
def test_warnings_of_the_parser_are_not_shown() -> None:
    assert isinstance(syntax_tree("x = '\\d'").body[0], ast.Assign)
    assert isinstance(expression_tree("'\\d'"), ast.Constant)
