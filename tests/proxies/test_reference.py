"""Networks of NAS-Bench-201 against their published scores."""

from __future__ import annotations

import csv
import gzip
import math
import random

import pytest

from nas_assistant.families import find_data_root
from nas_assistant.families.nb201 import NB201Cell, NB201Network
from nas_assistant.proxies import score

TABLE = "nb201_zero_cost_reference.csv.gz"


@pytest.mark.labels
def test_what_needs_no_data_is_as_published() -> None:
    path = find_data_root() / TABLE
    if not path.is_file():
        pytest.skip(f"no {TABLE}")
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = random.Random(5).sample(list(csv.DictReader(file)), 6)
    for row in rows:
        network = NB201Network(NB201Cell.from_string(row["arch_str"]))
        scores = score(network, input_shape=(3, 32, 32), proxies=["params", "flops", "l2_norm", "synflow"])
        params, flops, norm, flow = (one.value if one.value is not None else math.nan for one in scores)
        assert params == pytest.approx(1e6 * float(row["params"]))
        assert flops == pytest.approx(2e6 * float(row["flops"]), rel=1e-3)
        assert norm == pytest.approx(float(row["l2_norm"]), rel=0.01)
        assert flow == pytest.approx(float(row["synflow"]), abs=0.5)
