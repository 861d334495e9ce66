"""``train`` on families: what it does without options is the recipe."""

from __future__ import annotations

import inspect

from nas_assistant.cli._train import train
from nas_assistant.training import TrainingConfig


def test_the_defaults_of_the_command_are_those_of_the_recipe() -> None:
    recipe, options = TrainingConfig().to_json(), inspect.signature(train).parameters
    shared = recipe.keys() & options.keys()
    assert {"networks", "held_out", "encoder_steps", "supervised_steps", "seed"} <= shared
    assert {name: options[name].default for name in shared} == {name: recipe[name] for name in shared}
