"""The state of a training that a kill may meet at any moment."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from nas_assistant.training._state import TrainingState


def state() -> TrainingState:
    module = nn.Linear(3, 2)
    return TrainingState(module, torch.optim.AdamW(module.parameters()))


def test_the_step_is_that_of_the_weights_after_a_kill_between_the_two_files(tmp_path: Path) -> None:
    one = state()
    for _ in range(2):
        metadata = tmp_path / "model.json"
        before = metadata.read_bytes() if metadata.exists() else b""
        one.descend(one.module(torch.ones(4, 3)).sum(), 0.1)
        one.save(tmp_path, {"seed": 0})
    metadata.write_bytes(before)
    again = state()
    assert again.restore(tmp_path, {"seed": 0}) and again.step == 2
    assert torch.equal(again.module.weight, one.module.weight)
