"""What only the network that was built can tell of an edit."""

from __future__ import annotations

from pathlib import Path

import pytest

from nas_assistant.assistant import improve
from nas_assistant.errors import FailureKind
from nas_assistant.generators import get_generator
from nas_assistant.predictors import Predictor

NET = """\
from torch import nn


class Net(nn.Module):
    def __init__(self, **options):
        super().__init__()
        widths = options.get("widths", [8, 12, 16])
        layers, last = [], 3
        for width in READ:
            layers += [nn.Conv2d(last, width, 3, padding=1), nn.ReLU()]
            last = width
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(last, 10)

    def forward(self, x):
        return self.head(self.body(x).mean((2, 3)))
"""


@pytest.mark.parametrize(("read", "shows"), [("widths", True), ("(widths[0], widths[1], widths[2])", False)])
def test_an_entry_of_a_list_stands_twice_only_where_it_makes_a_layer(
    tmp_path: Path, predictor: Predictor, read: str, shows: bool
) -> None:
    path = tmp_path / "net.py"
    path.write_text(NET.replace("READ", read))
    generator = get_generator("mutate", operations={"repeat_entry"})
    result = improve(
        path,
        generator=generator,
        predictor=predictor,
        max_iterations=1,
        run_dir=tmp_path / "run",
        report=False,
    )
    entries = [entry for entry in result.history if entry.edits]
    failures = [entry.failure for entry in entries if entry.failure is not None]
    assert len(entries) > 1
    if shows:
        assert not failures
    else:
        assert len(failures) == len(entries)
        assert {failure.kind for failure in failures} <= {FailureKind.UNCHANGED, FailureKind.DUPLICATE}
        assert any("no layer more" in failure.message for failure in failures)
