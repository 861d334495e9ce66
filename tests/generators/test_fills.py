from __future__ import annotations

import pytest

from nas_assistant.edits import EditError
from nas_assistant.generators._fills import LONGEST, read_fill
from nas_assistant.generators._spans import Span


def span(code: str, *, statement: bool = False) -> Span:
    return Span((7, 8), (7, 8 + len(code)), code, "layer", -0.5, statement)


@pytest.mark.parametrize(
    ("text", "fill"),
    [
        ("nn.GELU()", "nn.GELU()"),
        (" nn.GELU()\n        self.more = 1", "nn.GELU()"),
        ("nn.GELU(),\n nn.ReLU()", "nn.GELU()"),
        ("nn.GELU())  # done", "nn.GELU()"),
        ("nn.GELU()  # smooth", "nn.GELU()"),
        ("nn.GELU(); import os", "nn.GELU()"),
        (
            "nn.Sequential(\n  nn.ReLU(),\r\n  nn.GELU(),\n)\n",
            "nn.Sequential(\n  nn.ReLU(),\n  nn.GELU(),\n)",
        ),
        ("f(')', \"it's\", '#', ''' ( ''', r'\\'', x[1])", "f(')', \"it's\", '#', ''' ( ''', r'\\'', x[1])"),
    ],
)
def test_an_expression_stays_one(text: str, fill: str) -> None:
    assert read_fill(text, span("nn.ReLU()")) == fill


@pytest.mark.parametrize(
    ("text", "fill"),
    [
        ("x = a, b\n        y = 1", "x = a, b"),
        ("x += f(\n 1)\nreturn x", "x += f(\n 1)"),
        ("x = 1; import os", "x = 1"),
    ],
)
def test_a_statement_stays_one(text: str, fill: str) -> None:
    assert read_fill(text, span("x = F.relu(x)", statement=True)) == fill


@pytest.mark.parametrize(
    ("text", "code", "told"),
    [
        ("", "nn.ReLU()", "on line 7 is empty"),
        ("\n nn.GELU()", "nn.ReLU()", "is empty"),
        (")", "nn.ReLU()", "is empty"),
        ("nn.ReLU( )", "nn.ReLU()", "is what stood there"),
        ("nn.GELU(", "nn.ReLU()", "does not parse"),
        ("import os", "nn.ReLU()", "does not parse"),
        ("x = 1", "nn.ReLU()", "does not parse"),
        ("'", "nn.ReLU()", "does not parse"),
        ("(" * 100_000, "nn.ReLU()", f"more than {LONGEST:,} characters"),
        ("(" * 3000 + ")" * 900, "nn.ReLU()", "does not parse|nested too deeply"),
        ("return x", "x = F.relu(x)", "another kind of statement"),
        ("x", "return x", "another kind of statement"),
        ("while x: pass", "x = F.relu(x)", "begins a block"),
    ],
)
def test_what_cannot_be_used(text: str, code: str, told: str) -> None:
    with pytest.raises(EditError, match=told) as caught:
        read_fill(text, span(code, statement="=" in code or "return" in code))
    assert caught.value.failure.line == 7 and len(str(caught.value)) < 300
