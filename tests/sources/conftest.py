from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from nas_assistant.errors import ModelError
from nas_assistant.sources import Limits, Sandbox, inspect_model

SMALL = Limits(seconds=20.0, memory_bytes=2 * 2**30, file_bytes=32 * 2**20)


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    with Sandbox("torch", SMALL) as sandbox:
        yield sandbox


@pytest.fixture
def write(tmp_path: Path) -> Callable[..., Path]:
    def write(text: str, name: str = "model.py") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


@pytest.fixture
def refused(write: Callable[..., Path], sandbox: Sandbox) -> Callable[..., ModelError]:
    """Inspects a file that must fail, checks that the message is one line, and gives the error."""

    def refused(text: str, **options: object) -> ModelError:
        with pytest.raises(ModelError) as caught:
            inspect_model(write(text), sandbox=sandbox, **options)  # type: ignore[arg-type]
        message = str(caught.value)
        assert message.startswith("model.py")
        assert len(message.splitlines()) == 1
        return caught.value

    return refused
