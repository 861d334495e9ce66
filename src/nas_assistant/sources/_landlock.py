"""File access by rule: write in one folder, read in some (Linux 5.13 and later)."""

from __future__ import annotations

import contextlib
import ctypes
import os
import stat
import struct
from collections.abc import Iterable, Iterator
from pathlib import Path

_CREATE, _ADD_RULE, _RESTRICT = 444, 445, 446
_PATH_BENEATH = 1
_WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 1, 1 << 2, 1 << 3
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_READ = _READ_FILE | _READ_DIR
_FILE_ONLY = _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV
# How many rights on files each version of the interface knows.
_RIGHTS = {1: 13, 2: 14, 3: 15, 4: 15}
_NO_DEVICES = (1 << 6) | (1 << 9) | (1 << 10) | (1 << 11)

_READABLE_DEVICES = ("/dev/zero", "/dev/random", "/dev/urandom")


def restrict_files(
    readable: Iterable[str | Path], listable: Iterable[str | Path], writable: str | Path
) -> str:
    """Allow this process to read some files and folders and to write in one folder, for good.

    Needs ``no_new_privs``. TCP, signals to others and abstract sockets are closed too where the kernel can.

    Returns:
        What became of it: ``active (version N)``, or why not.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE, None, ctypes.c_size_t(0), ctypes.c_uint(1))
    if version < 1:
        return "off: this kernel has no Landlock, or it is switched off"
    handled = (1 << _RIGHTS.get(version, 16)) - 1
    attributes = struct.pack("=QQQ", handled, 3 if version >= 4 else 0, 3 if version >= 6 else 0)
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    ruleset = libc.syscall(_CREATE, attributes[:size], ctypes.c_size_t(size), ctypes.c_uint(0))
    if ruleset < 0:
        return f"off: {os.strerror(ctypes.get_errno())}"
    try:
        _allow(libc, ruleset, writable, handled & ~_NO_DEVICES & ~1)
        _allow(libc, ruleset, "/dev/null", (_READ_FILE | _WRITE_FILE | _TRUNCATE | _IOCTL_DEV) & handled)
        for path in (*readable, *_READABLE_DEVICES):
            _allow(libc, ruleset, path, _READ)
        for path in listable:
            _allow(libc, ruleset, path, _READ_DIR)
        if libc.syscall(_RESTRICT, ruleset, ctypes.c_uint(0)) != 0:
            return f"off: {os.strerror(ctypes.get_errno())}"
    finally:
        os.close(ruleset)
    return f"active (version {version})"


def _allow(libc: ctypes.CDLL, ruleset: int, path: str | Path, rights: int) -> None:
    try:
        handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except OSError:
        return
    try:
        if not stat.S_ISDIR(os.fstat(handle).st_mode):
            rights &= _FILE_ONLY
        if not rights:
            return
        rule = struct.pack("=Qi", rights, handle)
        libc.syscall(_ADD_RULE, ruleset, _PATH_BENEATH, rule, ctypes.c_uint(0))
    finally:
        os.close(handle)


def real_home() -> Path:
    """The user's home folder, whatever the environment says."""
    try:
        import pwd

        return Path(pwd.getpwuid(os.getuid()).pw_dir).resolve()
    except (ImportError, KeyError):
        return Path.home().resolve()


def visible_files(folder: Path) -> Iterator[Path]:
    """What of a folder a model may read: not what is hidden, such as ``.env``, ``.git`` or ``.ssh``.

    Of a folder that holds the user's home, only Python files and packages.
    """
    holds_home = real_home().is_relative_to(folder)
    with contextlib.suppress(OSError):
        for path in folder.iterdir():
            if path.name.startswith("."):
                continue
            if not holds_home or path.suffix == ".py" or (path / "__init__.py").is_file():
                yield path
