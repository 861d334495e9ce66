"""Checkpoints: tensors as safetensors, everything else as JSON; nothing that can carry code."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from nas_assistant._files import replace_json, replacing
from nas_assistant.errors import UserError

FORMAT = 1
TENSORS = "model.safetensors"
METADATA = "model.json"
_SHIPPED = Path(__file__).resolve().parent / "checkpoints"
DEFAULT = "all"


def save_checkpoint(folder: Path, tensors: Mapping[str, torch.Tensor], metadata: Mapping[str, Any]) -> None:
    """Write a checkpoint folder; each file replaces its predecessor whole.

    Args:
        folder: Made when absent.
        tensors: Saved contiguous, in single or half precision as they come.
        metadata: JSON data.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with replacing(folder / TENSORS) as partial:
        save_file({name: tensor.contiguous() for name, tensor in tensors.items()}, partial)
    replace_json(folder / METADATA, {"format": FORMAT, **metadata})


def load_checkpoint(folder: Path) -> tuple[dict[str, torch.Tensor], dict[str, Any]]:
    """Read a checkpoint folder.

    Raises:
        UserError: A file is missing, truncated, or not of this format.
    """
    remedy = "give a folder that 'nas-assistant train' wrote, or leave it out for the shipped one"
    for name in (METADATA, TENSORS):
        if not (folder / name).is_file():
            raise UserError(f"{folder}: not a checkpoint, {name} is missing; {remedy}")
    try:
        metadata = json.loads((folder / METADATA).read_text(encoding="utf-8"))
        if not isinstance(metadata, dict) or metadata.get("format") != FORMAT:
            raise ValueError(f"not format {FORMAT}")
        tensors = load_file(folder / TENSORS)
    except (OSError, ValueError, SafetensorError) as error:
        raise UserError(f"{folder}: the checkpoint is damaged or foreign ({error}); {remedy}") from error
    return tensors, metadata


def find_checkpoint(given: str | Path | None) -> Path:
    """A checkpoint folder: the shipped one by default or by name, else a path.

    Raises:
        UserError: No such folder.
    """
    name = str(given or DEFAULT)
    shipped = sorted(path.name for path in _SHIPPED.iterdir() if path.is_dir()) if _SHIPPED.is_dir() else []
    if name in shipped:
        return _SHIPPED / name
    if given is not None and Path(given).exists():
        return Path(given) if Path(given).is_dir() else Path(given).parent
    raise UserError(f"{name}: no such checkpoint; shipped with the package: {', '.join(shipped) or 'none'}")
