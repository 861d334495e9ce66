from __future__ import annotations

import runpy

import pytest

from .conftest import PAIRS, ROOT


@pytest.mark.parametrize("name", PAIRS)
def test_a_pytorch_example_runs(capsys, name):
    runpy.run_path(str(ROOT / "examples" / f"torch_{name}.py"), run_name="__main__")
    assert capsys.readouterr().out == "torch.Size([1, 10])\n"


@pytest.mark.tensorflow
@pytest.mark.parametrize("name", PAIRS)
def test_a_keras_example_runs(capsys, name):
    pytest.importorskip("tensorflow")
    runpy.run_path(str(ROOT / "examples" / f"keras_{name}.py"), run_name="__main__")
    assert capsys.readouterr().out == "(1, 10)\n"
