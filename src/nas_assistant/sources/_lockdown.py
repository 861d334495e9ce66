"""Locks the process down before a user's code runs in it, step by step, as far as the system allows."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import signal
import struct
import sys
import sysconfig
from collections.abc import Iterable
from pathlib import Path

from nas_assistant.sources._landlock import real_home, restrict_files, visible_files
from nas_assistant.sources._limits import GIB, Limits
from nas_assistant.sources._seccomp import filter_processes_and_sockets

_PR_SET_PDEATHSIG, _PR_SET_NO_NEW_PRIVS = 1, 38
_CLONE_NEWIPC, _CLONE_NEWUSER, _CLONE_NEWNET = 0x08000000, 0x10000000, 0x40000000
_CAPSET = {"x86_64": 126, "aarch64": 91}
_SYSTEM = (
    "/usr/lib", "/usr/lib32", "/usr/lib64", "/usr/share", "/usr/local/lib", "/lib", "/lib32", "/lib64",
    "/etc/ld.so.cache", "/etc/localtime", "/etc/passwd", "/etc/nsswitch.conf", "/etc/mime.types",
    "/proc/self", "/proc/cpuinfo", "/proc/meminfo", "/proc/stat", "/proc/sys/vm/overcommit_memory",
    "/proc/sys/kernel/random", "/sys/devices/system/cpu", "/sys/devices/system/node",
    "/sys/kernel/mm/transparent_hugepage",
)  # fmt: skip


def lock_down(
    scratch: Path, readable: Iterable[Path], listable: Iterable[Path], limits: Limits, parent: int
) -> dict[str, str]:
    """Lock this process down, for good. It must have one thread.

    Args:
        scratch: The one folder to write in.
        readable: Files and folders to read, beside those of Python and the system's libraries.
        listable: Folders whose names may be listed.
        limits: Resource limits.
        parent: Process whose end ends this one.

    Returns:
        What became of each mechanism: ``active...`` or ``off: why``.
    """
    linux = sys.platform == "linux"
    features = {"resource limits": _limit_resources(limits)}
    if not linux:
        off = f"off: {sys.platform} has no such mechanism here"
        return features | {"system call filter": off, "file access": off, "user namespace": off}
    libc = ctypes.CDLL(None, use_errno=True)
    features["user namespace"] = _unshare(libc, _CLONE_NEWUSER | _CLONE_NEWIPC)
    libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
    python, listed = _python_paths()
    allowed: list[str | Path] = [*python, *_SYSTEM, *readable]
    features["file access"] = restrict_files(allowed, [*listed, *listable], scratch)
    libc.prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)
    features["system call filter"] = _filter(libc)
    features["capabilities"] = _drop_capabilities(libc)
    return features


def _filter(libc: ctypes.CDLL) -> str:
    state = filter_processes_and_sockets()
    if not state.startswith("active"):
        network = _unshare(libc, _CLONE_NEWNET)
        state += f" (network namespace: {network})"
    return state


def _python_paths() -> tuple[set[Path], set[Path]]:
    """What Python itself must read, and the folders it must list to find modules."""
    home = real_home()
    prefixes = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    libraries = {path for name, path in sysconfig.get_paths().items() if name.endswith("lib")}
    # A prefix such as / or the home itself would open everything.
    whole = {
        path
        for path in (Path(folder).resolve() for folder in prefixes | libraries)
        if not home.is_relative_to(path) and len(path.parts) > 2
    }
    whole.add(Path(__file__).resolve().parent.parent)
    listed = set()
    for folder in (Path(folder).resolve() for folder in sys.path if folder):
        if any(folder.is_relative_to(path) for path in whole):
            continue
        if {"site-packages", "dist-packages"} & set(folder.parts) or not folder.is_dir():
            whole.add(folder)
        else:  # the source folder of a project, which may hold secrets too
            listed.add(folder)
            whole.update(visible_files(folder))
    return whole, listed


def _limit_resources(limits: Limits) -> str:
    address_space = _virtual_size() + limits.memory_bytes + 4 * GIB  # stacks and arenas are mapped, not used
    # The wall-clock limit comes first; this one holds where many threads use it up sooner, or when nobody is
    # left to enforce it. The soft limit tells that it was this, the hard one ends what does not listen.
    processor = int(limits.seconds * 2) + 5
    wanted = {
        "CORE": 0,
        "FSIZE": limits.file_bytes,
        "NOFILE": 256,
        "CPU": processor,
        "AS": address_space,
    }
    if sys.platform != "linux":
        wanted["NPROC"] = 0
    failed = []
    for name, value in wanted.items():
        try:
            hard = value + 5 if name == "CPU" else value
            resource.setrlimit(getattr(resource, f"RLIMIT_{name}"), (value, hard))
        except (OSError, ValueError):
            failed.append(name)
    return f"active, without {', '.join(failed)}" if failed else "active"


def _virtual_size() -> int:
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[0])
    except OSError:
        return 0
    return pages * resource.getpagesize()


def _unshare(libc: ctypes.CDLL, flags: int) -> str:
    user, group = os.getuid(), os.getgid()
    if libc.unshare(flags) != 0:
        return f"off: {os.strerror(ctypes.get_errno())}"
    if flags & _CLONE_NEWUSER:
        with contextlib.suppress(OSError):
            Path("/proc/self/setgroups").write_text("deny")
            Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
            Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    return "active"


def _drop_capabilities(libc: ctypes.CDLL) -> str:
    number = _CAPSET.get(os.uname().machine)
    if number is None:
        return "off: unknown machine"
    header, none = struct.pack("=Ii", 0x20080522, 0), bytes(24)
    if libc.syscall(number, header, none) != 0:
        return f"off: {os.strerror(ctypes.get_errno())}"
    return "active"
