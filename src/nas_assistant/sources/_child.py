"""In the child: builds the model of a file, runs it and answers with its graph as JSON."""

from __future__ import annotations

import importlib
import json
import random
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

from nas_assistant.graphs import record_creation
from nas_assistant.sources._beside import Beside
from nas_assistant.sources._load import describe, load_module, make_object
from nas_assistant.sources._timing import prepare

sys.dont_write_bytecode = True


def answer(
    job: dict[str, Any], features: dict[str, str], tell: Callable[[bytes], None] = lambda told: None
) -> bytes:
    """Do one job.

    Args:
        job: ``path``, ``source``, ``entry``, ``input_shape`` or None, ``data`` or None, ``seed``, ``train``,
            ``limits``; with ``time``, the forward pass is timed. With a ``count``, that many samples of the
            data are read and no model is built. From ``root``, if any, the file may import too. With a
            ``task``, the name of a module of this package, its ``run`` does the work.
        features: How far this process is locked down.
        tell: Hands something to the parent before the answer.

    Returns:
        JSON: ``{"result": {...}}`` or ``{"failure": {"kind", "message", "line"}}``.
    """
    encode = json.dumps  # taken before user code can put another in its place
    tempfile.tempdir = None
    path = Path(job["path"])
    try:
        if path.suffix == ".py":
            Beside(links=features.get("file access", "").startswith("active")).bring(path, Path.cwd())
        if "task" in job:
            result = importlib.import_module(job["task"]).run(job, tell)
        else:
            result = _build_and_run(job, path, _weaknesses(features))
        return encode({"result": result}).encode()
    except BaseException as error:
        limit = f"{job['limits']['memory_bytes'] / 2**30:.3g} GiB"
        failure = describe(error, path, limit)
        content = {"kind": failure.kind.value, "message": failure.message, "line": failure.line}
        return encode({"failure": content}).encode()


def _weaknesses(features: dict[str, str]) -> list[str]:
    names = ("file access", "system call filter")
    off = [name for name in names if not features.get(name, "off").startswith("active")]
    if not off:
        return []
    return [f"this system has no {' and no '.join(off)} for the sandbox: run only code that you trust"]


def _build_and_run(job: dict[str, Any], path: Path, notes: list[str]) -> dict[str, Any]:
    seed_all(job["seed"])
    if "count" in job:
        from nas_assistant.sources._labelled import samples_answer

        return samples_answer(job)
    prepare(job)
    if job.get("root"):
        sys.path.insert(0, job["root"])
    with record_creation():
        module = load_module(path, job["source"])
        model = make_object(module, job["entry"])
    example = None
    if job.get("data"):
        from nas_assistant.sources._data import load_example

        example = load_example(job["data"], notes)
    seed_all(job["seed"])
    if "torch" in sys.modules and isinstance(model, sys.modules["torch"].nn.Module):
        from nas_assistant.sources.run_torch import run as run_torch

        result = run_torch(model, job, example, notes)
    elif "keras" in sys.modules and isinstance(model, sys.modules["keras"].Model):
        from nas_assistant.sources.run_keras import run as run_keras

        result = run_keras(model, job, example, notes)
    else:
        from nas_assistant.sources._no_model import no_model

        raise no_model(model, job)
    return result | {"notes": notes}


def kind_of(value: Any) -> str:
    return "None" if value is None else f"an object of type {type(value).__name__}"


def seed_all(seed: int) -> None:
    random.seed(seed)
    if "numpy" in sys.modules:
        sys.modules["numpy"].random.seed(seed % 2**32)
    if "torch" in sys.modules:
        sys.modules["torch"].manual_seed(seed)
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(seed % 2**32)
