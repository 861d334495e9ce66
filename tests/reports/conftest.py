from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from assistant.helpers import Scripted, make_predictor

from nas_assistant.assistant import Result, improve
from nas_assistant.predictors import Predictor

ATTACK = "</script></textarea>--><script>pwned=1</script><img src=x onerror='pwned=2'>\"'&amp;"
DIRECTION = "\u202e"  # makes what follows it read from right to left

NET = f'''\
"""{ATTACK}"""

from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv1 = nn.Conv2d(3, 8, 3, padding=1)  # {ATTACK}
        self.body = nn.Sequential()
        self.body.add_module("<img src=x onerror=pwned=3>", nn.Conv2d(8, 8, 3, padding=1))
        self.act = nn.ReLU()
        self.pool = nn.AdaptiveAvgPool2d(1)
        self.head = nn.Linear(8, 10)

    def forward(self, x):
        x = self.body(self.act(self.conv1(x)))
        return self.head(self.pool(x).flatten(1))
'''


def change(old: str, new: str) -> Callable[[str], str]:
    def changed(source: str) -> str:
        assert old in source
        return source.replace(old, new)

    return changed


class Attacking(Scripted):
    """Proposes changes whose explanations, errors and sources hold HTML."""

    def __init__(self) -> None:
        super().__init__(
            [
                change("nn.ReLU()", f"nn.GELU()  # {ATTACK}{DIRECTION}"),
                change("nn.ReLU()", "nn.Sigmoid()"),
                change("super().__init__()", f"super().__init__()\n        raise ValueError({ATTACK!r})"),
                change("nn.ReLU()", "nn.ReLU()  # unchanged"),
            ],
            [change("nn.Linear(8, 10)", "nn.Linear(8, 10, bias=False)")],
        )

    def propose(self, request):  # type: ignore[no-untyped-def]
        proposals = super().propose(request)
        return [type(p)(p.source, explanation=(f"{ATTACK}{DIRECTION}",)) for p in proposals]


@pytest.fixture(scope="session")
def predictor() -> Predictor:
    return make_predictor()


@pytest.fixture(scope="session")
def result(tmp_path_factory: pytest.TempPathFactory, predictor: Predictor) -> Result:
    """A run over a file, with answers, that try to break out of the page."""
    folder = tmp_path_factory.mktemp("attack")
    path = folder / "model.py"
    path.write_text(NET)
    return improve(
        path,
        entry="Net",
        input_shape=(3, 16, 16),
        gain=0.9,
        max_iterations=2,
        generator=Attacking(),
        run_dir=folder / "run",
        predictor=predictor,
        familiarity_margin=2.0,
    )


@pytest.fixture(scope="session")
def page(result: Result) -> Path:
    return result.run_dir / "report.html"
