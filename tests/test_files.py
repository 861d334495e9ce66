from __future__ import annotations

import os
from pathlib import Path

import pytest

from nas_assistant._files import replacing


def test_a_file_is_replaced_whole_or_not_at_all(tmp_path: Path) -> None:
    path = tmp_path / "kept.txt"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(KeyboardInterrupt), replacing(path) as partial:
        partial.write_text("ne", encoding="utf-8")
        raise KeyboardInterrupt
    assert path.read_text(encoding="utf-8") == "old"
    with replacing(path) as partial:
        partial.write_text("new", encoding="utf-8")
        assert path.read_text(encoding="utf-8") == "old"
    assert path.read_text(encoding="utf-8") == "new"
    assert os.listdir(tmp_path) == ["kept.txt"]


def test_permissions_follow_the_mask(tmp_path: Path) -> None:
    mask = os.umask(0o027)
    try:
        for name, mode, wanted in (("shared", 0o666, 0o640), ("private", 0o600, 0o600)):
            with replacing(tmp_path / name, mode=mode):
                pass
            assert (tmp_path / name).stat().st_mode & 0o777 == wanted
    finally:
        os.umask(mask)
