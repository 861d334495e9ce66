from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAIRS = ("cnn", "residual", "mobilenet", "inception")


def load_module(path: Path) -> ModuleType:
    """Import a file of the repository that is not part of a package."""
    name = f"_loaded_{path.stem}"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, path)
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


def torch_example(name: str):
    module = load_module(ROOT / "examples" / f"torch_{name}.py")
    classes = {"cnn": "CNN", "residual": "ResNet", "mobilenet": "MobileNet", "inception": "InceptionNet"}
    return getattr(module, classes[name])()


def keras_example(name: str):
    module = load_module(ROOT / "examples" / f"keras_{name}.py")
    if name == "cnn":
        return module.model
    return module.InceptionNet() if name == "inception" else module.build_model()


@pytest.fixture(scope="session")
def zoo() -> ModuleType:
    return load_module(Path(__file__).parent / "zoo.py")
