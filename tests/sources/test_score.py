"""The minibatch that proxies read."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from nas_assistant.sources._inspect import run_model
from nas_assistant.sources._score import load_minibatch


def test_images_are_standardised_and_drawn_by_seed() -> None:
    images, labels = load_minibatch({"kind": "digits"}, 32, 0, [])
    assert images.shape == (32, 1, 8, 8) and images.dtype == np.float32 and labels.shape == (32,)
    assert images.mean() == pytest.approx(0, abs=1e-5) and images.std() == pytest.approx(1, abs=1e-4)
    again, other = (load_minibatch({"kind": "digits"}, 32, seed, [])[0] for seed in (0, 1))
    assert np.array_equal(images, again) and not np.array_equal(images, other)


def test_what_a_file_yields_is_taken_as_it_is(tmp_path: Path) -> None:
    source = "import numpy as np\npairs = (np.full((6, 3, 4, 4), 9.0), np.arange(6) % 2)\n"
    path = tmp_path / "data.py"
    path.write_text(source)
    data = {"kind": "python", "path": str(path), "name": "pairs", "source": source}
    images, labels = load_minibatch(data, 4, 0, [])
    assert images.shape == (4, 3, 4, 4) and set(images.flat) == {9.0} and set(labels) <= {0, 1}


def test_a_model_of_tokens_is_scored_without_data(tmp_path: Path) -> None:
    path = tmp_path / "model.py"
    path.write_text("from torch import nn\nmodel = nn.Sequential(nn.Embedding(9, 4), nn.Flatten())\n")
    _, answer = run_model(path, proxies={"names": ["flops", "synflow"], "batch": 4})
    flops, synflow = answer["proxies"]
    assert flops["fault"] is None and synflow["fault"]["message"] == "reads integer tokens"
