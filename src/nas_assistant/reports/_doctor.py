"""What is installed, and what is missing."""

from __future__ import annotations

import importlib.metadata
import platform
from dataclasses import asdict, dataclass
from typing import Any

from nas_assistant.errors import UserError

_PACKAGES = ("torch", "libcst", "openai", "scikit-learn", "matplotlib")
_EXTRAS = (
    ("tensorflow", ("keras", "tensorflow-cpu|tensorflow"), "reads Keras and TensorFlow models"),
    ("onnx", ("onnx", "onnxscript"), "reads and writes ONNX files"),
    ("runtime", ("onnx", "onnxscript", "onnxruntime"), "times models in ONNX Runtime"),
    ("local", ("xllamacpp",), "runs a language model on this machine"),
    ("infill", ("transformers",), "runs InCoder and other models of transformers for --generator infill"),
    ("tune", ("optuna", "ray"), "trains candidates by successive halving: verify RUN_DIR, improve --verify"),
)


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        group: ``versions``, ``extras``, ``models``, ``sandbox``, ``checkpoint`` or ``labels``.
        name: What it is.
        ok: Whether it is there.
        detail: Its version or state, or what it would add and how to get it.
    """

    group: str
    name: str
    ok: bool
    detail: str

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data."""
        return asdict(self)


def diagnose() -> list[Check]:
    """Look at the installation. Nothing of it is an error: each line says what to do."""
    return [*_versions(), *_extras(), *_models(), *_sandbox(), _checkpoint(), *_labels()]


def _versions() -> list[Check]:
    from nas_assistant import __version__

    own = [
        Check("versions", "nas-assistant", True, __version__),
        Check("versions", "python", True, f"{platform.python_version()} on {platform.system()}"),
    ]
    return own + [
        Check("versions", name, (found := _version(name)) is not None, found or "not installed")
        for name in _PACKAGES
    ]


def _extras() -> list[Check]:
    checks = []
    for extra, packages, purpose in _EXTRAS:
        found = [next(filter(None, map(_version, names.split("|"))), None) for names in packages]
        names = [names.partition("|")[0] for names in packages]
        if all(found):
            detail = ", ".join(f"{name} {version}" for name, version in zip(names, found, strict=True))
            checks.append(Check("extras", extra, True, f"{detail}: {purpose}"))
        else:
            checks.append(Check("extras", extra, False, f"{purpose}: pip install 'nas-assistant[{extra}]'"))
    return checks


def _models() -> list[Check]:
    from nas_assistant.generators import KNOWN_MODELS, models_dir

    checks = []
    for name, model in KNOWN_MODELS.items():
        path = models_dir() / model.file
        if path.is_file():
            size = f"{path.stat().st_size / 1e6:,.0f} MB"
            detail = f"{model.title}, {size}, {model.licence} by its makers: {path}"
            checks.append(Check("models", name, True, detail))
            continue
        remedy = f"nas-assistant doctor --install local --model {name}"
        detail = f"{model.title}, {model.size / 1e6:,.0f} MB: {remedy}"
        checks.append(Check("models", name, False, detail))
    return checks


def _sandbox() -> list[Check]:
    from nas_assistant.sources import sandbox_features

    return [
        Check("sandbox", name, state.startswith("active"), state)
        for name, state in sandbox_features().items()
    ]


def _checkpoint() -> Check:
    from nas_assistant.predictors import Predictor

    try:
        metadata = Predictor.load().metadata
    except UserError as error:
        return Check("checkpoint", "predictor", False, str(error))
    told = metadata.get("metrics", {})
    values = [f"{name} {value:.4g}" for name, value in _numbers(told)]
    return Check("checkpoint", "predictor", True, ", ".join(values) or "no metrics recorded")


def _numbers(data: Any, prefix: str = "") -> list[tuple[str, float]]:
    if isinstance(data, dict):
        return [item for name, value in data.items() for item in _numbers(value, f"{prefix} {name}".strip())]
    return [(prefix, float(data))] if isinstance(data, (int, float)) else []


def _labels() -> list[Check]:
    from nas_assistant.families import find_data_root, get_family, list_families

    root = find_data_root()
    checks = []
    for name in list_families():
        family = get_family(name)
        path = root / family.table
        ok = path.is_file() or path.with_suffix("").is_file()
        remedy = f"{path}: not there; set NAS_ASSISTANT_DATA to the folder that has it"
        checks.append(Check("labels", name, ok, str(path) if ok else remedy))
    return checks


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None
