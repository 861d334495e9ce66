from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from nas_assistant.cli._output import counted
from nas_assistant.errors import UserError

Run = Callable[..., Any]


def test_improve_prints_the_diff_and_leaves_a_better_file(model: Path, checkpoint: Path, run: Run) -> None:
    arguments = ("--gain", "0.000000001", "--run-dir", "run", "--seed", "1")
    result = run("improve", model, "--checkpoint", checkpoint, *arguments)
    assert result.exit_code == 0, result.output
    assert "# NAS - Assist (Performance Gain 0." in result.stdout and "--- a/model.py" in result.stdout
    best = Path("run/best.py").read_text()
    assert best.startswith("# NAS - Assist (Performance Gain ") and best.endswith(")\n")
    added = re.findall(r"^\+ .*$", Path("run/best.diff").read_text(), re.MULTILINE)
    assert added and set(added) <= set(result.stdout.splitlines())
    subprocess.run([sys.executable, "run/best.py"], check=True, timeout=60)


def test_a_diff_brings_nothing_to_the_terminal_but_text(model: Path, checkpoint: Path, run: Run) -> None:
    hostile = "\x1b]0;owned\x07\x9b2J\u202e"
    text = "\r\n".join(f"{line}  # naïve 卷积 {hostile}" for line in model.read_text().splitlines() if line)
    model.write_bytes(text.encode())
    arguments = ("--gain", "0.000000001", "--run-dir", "run", "--seed", "1")
    result = run("improve", model, "--checkpoint", checkpoint, *arguments)
    assert result.exit_code == 0, result.output
    assert r"# naïve 卷积 \x1b]0;owned\x07\x9b2J\u202e" in result.stdout and r"\r" not in result.stdout
    assert not set(hostile) - set("]0;owned2J") & set(result.stdout)
    for name in ("best.py", "best.diff"):
        assert hostile.encode() in (Path("run") / name).read_bytes()


def test_improve_prints_json_alone_on_stdout(model: Path, checkpoint: Path, run: Run) -> None:
    options = ("--gain", "0.000000001", "--run-dir", "run", "--max-params", "+100%", "--json")
    result = run("improve", model, "--checkpoint", checkpoint, *options)
    assert result.exit_code == 0, result.output
    found = json.loads(result.stdout)
    assert found["improved"] and found["gain"] > 0 and found["best"] == "run/best.py"
    assert found["gain_low"] <= found["gain"] <= found["gain_high"]
    assert found["params"] <= 2 * found["original_params"]
    assert found["diff"] == Path("run/best.diff").read_text()


def test_nothing_better_is_exit_code_1(model: Path, checkpoint: Path, run: Run) -> None:
    options = ("--checkpoint", checkpoint, "--threshold", "0.1", "--run-dir", "run")
    result = run("improve", model, *options)
    assert result.exit_code == 1 and "Your model passes the target itself" in result.stdout
    assert not Path("run/best.py").exists()


def test_no_target_is_told_where_the_run_goes_on(model: Path, checkpoint: Path, run: Run) -> None:
    options = ("--checkpoint", checkpoint, "--max-iterations", "1")
    front = run("improve", model, *options, "--objective", "accuracy,params", "--run-dir", "front")
    assert " in 1 round, " in front.stdout and "no round was left\n" in front.stdout
    assert "(target " not in Path("front/report.html").read_text() + front.stderr
    both = run(
        "improve", model, *options, "--objective", "accuracy,params", "--threshold", "1", "--run-dir", "both"
    )
    assert "no round was left (target " in both.stdout and "(target " in Path("both/report.html").read_text()
    assert "Round 1: best so far" in both.stderr and "(target " in both.stderr


def test_a_report_that_could_not_be_written_is_not_named(
    model: Path, checkpoint: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*values: Any, **named: Any) -> Path:
        raise UserError("no room")

    monkeypatch.setattr("nas_assistant.reports.run_report.write_report", fail)
    arguments = ("--gain", "0.000000001", "--run-dir", "run", "--seed", "1")
    result = run("improve", model, "--checkpoint", checkpoint, *arguments)
    assert result.exit_code == 0, result.output
    assert "no report was written: no room" in result.stderr
    assert "Better file: run/best.py" in result.stdout and "Report:" not in result.stdout


def test_one_is_told_in_the_singular() -> None:
    assert [counted(number, "round") for number in (0, 1, 2, 1000)] == [
        "0 rounds",
        "1 round",
        "2 rounds",
        "1,000 rounds",
    ]


def test_ctrl_c_prints_the_best_so_far(model: Path, checkpoint: Path) -> None:
    arguments = ["improve", "model.py", "--checkpoint", str(checkpoint), "--run-dir", "run", "--json"]
    endless = ("--max-iterations", "1000", "--threshold", "1")
    process = subprocess.Popen(
        [sys.executable, "-m", "nas_assistant.cli", *arguments, *endless],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A test run in the background inherits a SIGINT that is ignored.
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    )
    deadline = time.monotonic() + 120
    while not Path("run/best.py").exists():
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.05)
    os.kill(process.pid, signal.SIGINT)
    output, errors = process.communicate(timeout=60)
    assert process.returncode == 0, errors
    found = json.loads(output)
    assert found["stopped"] == "interrupted" and found["improved"]
    assert "Traceback" not in errors


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--threshold", "2"), "--threshold 2"),
        (("--gain", "0.2"), "--gain 0.2: the model is predicted 0.9"),
        (("--threshold", "0.9", "--gain", "0.1"), "not both"),
        (("--max-iterations", "0"), "--max-iterations 0"),
        (("--generator", "nope"), "nope"),
        (("--allow-ops", "conv,konv"), "konv"),
        (("--max-flops", "few"), "--max-flops few"),
        (("--data", "nowhere"), "nowhere"),
    ],
)
def test_bad_options(
    model: Path, checkpoint: Path, refused: Callable[..., str], options: tuple[str, ...], message: str
) -> None:
    assert message in refused("improve", model, "--checkpoint", checkpoint, *options)


def test_a_run_folder_is_not_used_twice(
    model: Path, checkpoint: Path, run: Run, refused: Callable[..., str]
) -> None:
    options = ("--checkpoint", checkpoint, "--threshold", "0.1", "--run-dir", "run")
    assert run("improve", model, *options).exit_code == 1
    assert "--resume" in refused("improve", model, *options)
    assert run("improve", model, *options, "--resume").exit_code == 1


def test_a_resumed_run_keeps_its_limits(
    model: Path, checkpoint: Path, run: Run, refused: Callable[..., str]
) -> None:
    options = ("--checkpoint", checkpoint, "--run-dir", "run", "--max-iterations", "1", "--threshold", "1")
    assert run("improve", model, *options, "--max-params", "+10%").exit_code == 0
    assert run("improve", model, *options, "--resume").exit_code == 0
    for limit in ("+100%", "+50%", "none"):
        message = (
            f"Error: --max-params {limit}: the run has +10%; leave the option out to go on, or start anew"
        )
        assert refused("improve", model, *options, "--resume", "--max-params", limit).startswith(message)
