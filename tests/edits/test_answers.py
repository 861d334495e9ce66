from __future__ import annotations

import textwrap

import pytest

from nas_assistant.edits import EditError, search_replace, whole_file
from nas_assistant.errors import FailureKind

CODE = "import torch\n\nx = torch.zeros(3)\n"


@pytest.mark.parametrize(
    "answer",
    [
        CODE,
        f"Here it is:\n```python\n{CODE}```\nI widened it.",
        f"```\n{CODE}```",
        f"~~~python\n{CODE}~~~",
        f"```python\n{CODE}",  # cut off before the fence is closed
        f"First run\n```bash\npip install torch\n```\nthen\n```python\n{CODE}```",
        "  ```python\n" + textwrap.indent(CODE, "  ") + "  ```",
        CODE.replace("\n", "\r\n"),
    ],
)
def test_the_file_of_an_answer(answer: str) -> None:
    assert whole_file(answer) == CODE


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ("I cannot do that.", "does not|not a Python file"),
        ("```python\ndef f(:\n    pass\n```", "line 1"),
        ("```python\n# nothing\n```", "no Python code"),
        ("```python\nx = '\0'\n```", "not a Python file"),
    ],
)
def test_an_answer_without_a_file(answer: str, message: str) -> None:
    with pytest.raises(EditError, match=message) as caught:
        whole_file(answer)
    assert caught.value.failure.kind is FailureKind.PARSE


SOURCE = """\
class Net:
    def __init__(self):
        self.conv1 = Conv2d(3, 16, 3)
        self.conv2 = Conv2d(16, 32, 3)
        self.fc = Linear(32, 10)

    def forward(self, x):
        x = self.conv1(x)
        return self.fc(x)
"""


def block(search: str, replace: str) -> str:
    return f"<<<<<<< SEARCH\n{search}\n=======\n{replace}\n>>>>>>> REPLACE\n"


def test_blocks_are_made_in_order() -> None:
    answer = "Two changes:\n" + block(
        "        self.conv1 = Conv2d(3, 16, 3)", "        self.conv1 = Conv2d(3, 24, 3)"
    )
    answer += "and\n" + block(
        "        self.conv2 = Conv2d(16, 32, 3)", "        self.conv2 = Conv2d(24, 32, 3)"
    )
    expected = SOURCE.replace("3, 16, 3", "3, 24, 3").replace("16, 32, 3", "24, 32, 3")
    assert search_replace(SOURCE, answer) == expected


def test_whitespace_is_forgiven_and_the_files_indentation_kept() -> None:
    answer = block(
        "self.conv1  =  Conv2d(3, 16, 3)", "self.conv1 = Conv2d(3, 8, 3)\nself.bn = BatchNorm2d(8)"
    )
    text = search_replace(SOURCE, answer)
    assert "        self.conv1 = Conv2d(3, 8, 3)\n        self.bn = BatchNorm2d(8)\n" in text


def test_a_slip_is_forgiven_where_one_place_alone_is_alike() -> None:
    answer = block(
        "    def forward(self, x):\n        x = self.conv(x)",
        "    def forward(self, x):\n        x = self.conv2(x)",
    )
    assert search_replace(SOURCE, answer) == SOURCE.replace("x = self.conv1(x)", "x = self.conv2(x)")


def test_lines_are_taken_out() -> None:
    answer = "<<<<<<< SEARCH\n        x = self.conv1(x)\n=======\n>>>>>>> REPLACE"
    assert search_replace(SOURCE, answer) == SOURCE.replace("        x = self.conv1(x)\n", "")


def test_line_breaks_of_windows_are_kept() -> None:
    answer = block("        x = self.conv1(x)", "        x = self.conv2(x)")
    text = search_replace(SOURCE.replace("\n", "\r\n"), answer)
    assert text == SOURCE.replace("x = self.conv1(x)", "x = self.conv2(x)").replace("\n", "\r\n")


def test_the_nearest_lines_are_shown() -> None:
    answer = block("        self.conv3 = Conv2d(64, 64, 5, bias=False)", "        pass")
    with pytest.raises(EditError, match=r"did you mean these lines \(\d-\d\)") as caught:
        search_replace(SOURCE, answer)
    assert caught.value.failure.kind is FailureKind.PARSE
    assert caught.value.failure.line in (3, 4)
    assert "Conv2d(" in str(caught.value).partition("\n")[2]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ("nothing to do", "holds no block"),
        (block("something else entirely", "x"), "are not in the file"),
        (block("", "x"), "a SEARCH part is empty"),
        (block("        x = self.conv1(x)", "        x = self.conv1(x"), "does not parse"),
    ],
)
def test_answers_that_cannot_be_made(answer: str, message: str) -> None:
    with pytest.raises(EditError, match=message) as caught:
        search_replace(SOURCE, answer)
    assert caught.value.failure.kind is FailureKind.PARSE


def test_lines_that_stand_twice_need_more_around_them() -> None:
    with pytest.raises(EditError, match=r"stand 2 times in the file \(lines 1, 3\)"):
        search_replace("a = 1\nb = 2\na = 1\n", block("a = 1", "a = 3"))
