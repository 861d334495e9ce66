from __future__ import annotations

import dataclasses
import inspect
import subprocess
import sys
from collections.abc import Callable
from typing import Any

import pytest
from typer.main import get_command

from nas_assistant.assistant import Options, improve
from nas_assistant.cli import app
from nas_assistant.cli._improve import improve as command

COMMANDS = sorted(get_command(app).commands)  # type: ignore[attr-defined]


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_has_help(run: Callable[..., Any], command: str) -> None:
    result = run(command, "--help")
    assert result.exit_code == 0 and "Usage" in result.stdout


def test_the_contract_s_options(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "200")
    text = run("improve", "--help").stdout
    names = (
        "entry data input-shape threshold gain max-iterations generator model base-url max-params max-flops"
    )
    for name in (*names.split(), "allow-ops", "seed", "run-dir", "resume", "json"):
        assert f"--{name} " in text, name


@pytest.mark.parametrize("function", [command, improve])
def test_the_command_and_the_library_have_the_options_defaults(function: Callable[..., Any]) -> None:
    parameters = inspect.signature(function).parameters
    options = {item.name: getattr(Options(), item.name) for item in dataclasses.fields(Options)}
    shared = options.keys() & parameters.keys() - {"generator_options"}
    assert len(shared) > 20
    assert {name: parameters[name].default for name in shared} == {name: options[name] for name in shared}


def test_usage_errors_are_exit_code_2(run: Callable[..., Any]) -> None:
    for arguments in (("predict", "--nonsense"), ("nonsense",), ("predict",)):
        assert run(*arguments).exit_code == 2


def test_help_does_not_load_a_framework() -> None:
    code = (
        "import sys; from nas_assistant.cli import app\n"
        "try: app(['improve', '--help'])\n"
        "except SystemExit: pass\n"
        "sys.exit(any(name in sys.modules for name in ('torch', 'tensorflow', 'libcst', 'numpy')))"
    )
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)


def test_torch_is_loaded_while_the_sandbox_starts_and_not_before() -> None:
    code = "import sys, nas_assistant.assistant; sys.exit('torch' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, timeout=60)
