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
from nas_assistant.cli import app, main
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


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ("predict --nonsense", "no such option: --nonsense; see nas-assistant predict --help"),
        ("--nonsense", "no such option: --nonsense; see nas-assistant --help"),
        ("benchmark loop --zzz", "no such option: --zzz; see nas-assistant benchmark loop --help"),
        ("nonsense", "no such command 'nonsense'; see nas-assistant --help"),
        ("predict", "missing argument 'MODEL.py'; see nas-assistant predict --help"),
    ],
)
def test_usage_errors_are_one_line(refused: Callable[..., str], arguments: str, told: str) -> None:
    assert refused(*arguments.split()) == f"Error: {told}"


@pytest.mark.parametrize(
    "arguments",
    [
        ("predict", ""),
        ("predict", "x.py", "--data", ""),
        ("predict", "x.py", "--checkpoint="),
        ("improve", "x.py", "--allow-ops", " "),
    ],
)
def test_an_empty_value_is_bad_input(refused: Callable[..., str], arguments: tuple[str, ...]) -> None:
    before = [name.rstrip("=") for name in arguments if name.strip()][-1]
    assert refused(*arguments) == f"Error: the value after {before} is empty"


def test_a_group_alone_shows_its_commands(run: Callable[..., Any]) -> None:
    for arguments in ((), ("benchmark",)):
        result = run(*arguments)
        assert result.exit_code == 2 and "Commands" in result.output


def test_ctrl_c_is_one_line(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("nas_assistant.assistant.report_model", interrupted)
    monkeypatch.setattr("sys.argv", ["nas-assistant", "predict", "model.py"])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 130
    assert capsys.readouterr() == ("", "Interrupted.\n")


def test_ctrl_c_while_modules_are_imported_is_one_line() -> None:
    code = (
        "import sys; from nas_assistant.cli import main\n"
        "class Finder:\n"
        "    def find_spec(name, *_):\n"
        "        if name == 'typer': raise KeyboardInterrupt\n"
        "sys.meta_path.insert(0, Finder)\n"
        "main()"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "Interrupted.\n")


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
