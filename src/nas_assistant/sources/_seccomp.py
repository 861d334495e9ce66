"""A system call filter: no sockets, processes, reach into other processes or emptied files (Linux)."""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct

# Numbers from the kernel's asm/unistd.h. Calls numbered 424 and later are the same everywhere.
_X86_64 = {
    "shmget": 29, "shmat": 30, "shmctl": 31, "socket": 41, "connect": 42, "accept": 43, "sendto": 44,
    "bind": 49, "listen": 50, "socketpair": 53, "fork": 57, "vfork": 58, "execve": 59, "semget": 64,
    "msgget": 68, "truncate": 76, "chmod": 90, "fchmod": 91, "chown": 92, "fchown": 93, "lchown": 94,
    "ptrace": 101, "syslog": 103, "utime": 132, "setpriority": 141, "sched_setparam": 142,
    "sched_setscheduler": 144, "vhangup": 153, "pivot_root": 155, "adjtimex": 159, "chroot": 161,
    "acct": 163, "settimeofday": 164, "mount": 165, "umount2": 166, "swapon": 167, "swapoff": 168,
    "reboot": 169, "sethostname": 170, "setdomainname": 171, "iopl": 172, "ioperm": 173,
    "init_module": 175, "delete_module": 176, "quotactl": 179, "setxattr": 188, "lsetxattr": 189,
    "fsetxattr": 190, "removexattr": 197, "lremovexattr": 198, "fremovexattr": 199, "tkill": 200,
    "sched_setaffinity": 203, "clock_settime": 227, "utimes": 235, "mq_open": 240, "kexec_load": 246,
    "add_key": 248, "request_key": 249, "keyctl": 250, "ioprio_set": 251, "fchownat": 260,
    "futimesat": 261, "fchmodat": 268, "unshare": 272, "utimensat": 280, "perf_event_open": 298,
    "fanotify_init": 300, "name_to_handle_at": 303, "open_by_handle_at": 304, "clock_adjtime": 305,
    "setns": 308, "process_vm_readv": 310, "process_vm_writev": 311, "kcmp": 312, "finit_module": 313,
    "sched_setattr": 314, "memfd_create": 319, "kexec_file_load": 320, "bpf": 321, "execveat": 322,
    "userfaultfd": 323,
}  # fmt: skip
_AARCH64 = {
    "setxattr": 5, "lsetxattr": 6, "fsetxattr": 7, "removexattr": 14, "lremovexattr": 15,
    "fremovexattr": 16, "ioprio_set": 30, "umount2": 39, "mount": 40, "pivot_root": 41, "truncate": 45,
    "chroot": 51, "fchmod": 52, "fchmodat": 53, "fchownat": 54, "fchown": 55, "vhangup": 58,
    "quotactl": 60, "utimensat": 88, "acct": 89, "unshare": 97, "kexec_load": 104, "init_module": 105,
    "delete_module": 106, "clock_settime": 112, "syslog": 116, "ptrace": 117, "sched_setparam": 118,
    "sched_setscheduler": 119, "sched_setaffinity": 122, "tkill": 130, "setpriority": 140, "reboot": 142,
    "sethostname": 161, "setdomainname": 162, "settimeofday": 170, "adjtimex": 171, "mq_open": 180,
    "msgget": 186, "semget": 190, "shmget": 194, "shmctl": 195, "shmat": 196, "socket": 198,
    "socketpair": 199, "bind": 200, "listen": 201, "accept": 202, "connect": 203, "sendto": 206,
    "add_key": 217, "request_key": 218, "keyctl": 219, "execve": 221, "swapon": 224, "swapoff": 225,
    "perf_event_open": 241, "fanotify_init": 262, "name_to_handle_at": 264, "open_by_handle_at": 265,
    "clock_adjtime": 266, "setns": 268, "process_vm_readv": 270, "process_vm_writev": 271, "kcmp": 272,
    "finit_module": 273, "sched_setattr": 274, "memfd_create": 279, "bpf": 280, "execveat": 281,
    "userfaultfd": 282, "kexec_file_load": 294,
}  # fmt: skip
_COMMON = {
    "pidfd_send_signal": 424, "io_uring_setup": 425, "io_uring_enter": 426, "io_uring_register": 427,
    "open_tree": 428, "move_mount": 429, "fsopen": 430, "fsconfig": 431, "fsmount": 432, "fspick": 433,
    "pidfd_open": 434, "pidfd_getfd": 438, "process_madvise": 440, "mount_setattr": 442,
    "process_mrelease": 448, "fchmodat2": 452, "setxattrat": 463, "removexattrat": 466,
}  # fmt: skip
_CLONE3, _OPENAT2 = 435, 437
# Calls that are allowed for some arguments: clone, kill, tgkill, rt_sigqueueinfo, rt_tgsigqueueinfo, prctl,
# prlimit64, fcntl.
_CHECKED = {
    "x86_64": (56, 62, 234, 129, 297, 157, 302, 72),
    "aarch64": (220, 129, 131, 138, 240, 167, 261, 25),
}
# The calls that open files, and where their flags are: open, openat.
_OPENING = {"x86_64": ((2, 24), (257, 32)), "aarch64": ((56, 32),)}
_ARCHITECTURES = {"x86_64": (0xC000003E, _X86_64), "aarch64": (0xC00000B7, _AARCH64)}

_LOAD, _AND, _EQUAL, _AT_LEAST, _ANY_BIT, _RETURN = 0x20, 0x54, 0x15, 0x35, 0x45, 0x06
_ALLOW, _KILL, _ERRNO = 0x7FFF0000, 0x80000000, 0x00050000
_NR, _ARCH, _ARG0, _ARG1 = 0, 4, 16, 24
_CLONE_THREAD = 0x00010000
_F_SETOWN, _F_SETSIG, _F_SETOWN_EX = 8, 10, 15
_PR_SET_PDEATHSIG, _PR_SET_SECCOMP = 1, 22

Instruction = tuple[int, int, int, int]


def filter_processes_and_sockets() -> str:
    """Install the filter on this process, for good.

    Returns:
        What became of it: ``active``, or why not.
    """
    machine = platform.machine()
    if machine not in _ARCHITECTURES:
        return f"off: no table of system calls for {machine}"
    program = _program(machine, os.getpid())
    code = b"".join(struct.pack("=HBBI", *step) for step in program)
    buffer = ctypes.create_string_buffer(code, len(code))

    class Program(ctypes.Structure):
        _fields_ = (("length", ctypes.c_ushort), ("filter", ctypes.c_void_p))

    header = Program(len(program), ctypes.cast(buffer, ctypes.c_void_p))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_SECCOMP, 2, ctypes.byref(header), 0, 0) != 0:
        return f"off: {os.strerror(ctypes.get_errno())}"
    return "active"


def _program(machine: str, own: int) -> list[Instruction]:
    architecture, table = _ARCHITECTURES[machine]
    clone, kill, tgkill, sigqueue, tgsigqueue, prctl, prlimit, fcntl = _CHECKED[machine]
    deny = (_RETURN, 0, 0, _ERRNO | errno.EPERM)
    missing = (_RETURN, 0, 0, _ERRNO | errno.ENOSYS)
    allow = (_RETURN, 0, 0, _ALLOW)
    steps: list[Instruction] = [
        (_LOAD, 0, 0, _ARCH),
        (_EQUAL, 1, 0, architecture),
        (_RETURN, 0, 0, _KILL),
        (_LOAD, 0, 0, _NR),
    ]
    if machine == "x86_64":
        steps += [(_AT_LEAST, 0, 1, 0x40000000), missing]  # the x32 spelling of the same calls
    for number in (_CLONE3, _OPENAT2):  # their flags lie in memory; the C library has older calls for both
        steps += [(_EQUAL, 0, 1, number), missing]
    for number in (*table.values(), *_COMMON.values()):
        steps += [(_EQUAL, 0, 1, number), deny]
    # Before Linux 6.2, Landlock lets a file be emptied that may not be written.
    for number, flags in _OPENING[machine]:
        steps += [(_EQUAL, 0, 7, number), (_LOAD, 0, 0, flags), (_ANY_BIT, 0, 4, os.O_TRUNC)]
        steps += [(_AND, 0, 0, os.O_ACCMODE), (_EQUAL, 2, 0, os.O_WRONLY), (_EQUAL, 1, 0, os.O_RDWR)]
        steps += [deny, allow]
    steps += [(_EQUAL, 0, 4, clone), (_LOAD, 0, 0, _ARG0), (_ANY_BIT, 0, 1, _CLONE_THREAD), allow, deny]
    for number in (kill, tgkill, sigqueue, tgsigqueue):
        steps += [(_EQUAL, 0, 4, number), (_LOAD, 0, 0, _ARG0), (_EQUAL, 0, 1, own), allow, deny]
    # The end of the parent must go on ending this process.
    steps += [(_EQUAL, 0, 4, prctl), (_LOAD, 0, 0, _ARG0), (_EQUAL, 0, 1, _PR_SET_PDEATHSIG), deny, allow]
    steps += [(_EQUAL, 0, 5, prlimit), (_LOAD, 0, 0, _ARG0), (_EQUAL, 1, 0, 0), (_EQUAL, 0, 1, own)]
    steps += [allow, deny]
    # fcntl can make the kernel signal another process.
    steps += [(_EQUAL, 0, 6, fcntl), (_LOAD, 0, 0, _ARG1)]
    steps += [(_EQUAL, 3, 0, _F_SETOWN), (_EQUAL, 2, 0, _F_SETSIG), (_EQUAL, 1, 0, _F_SETOWN_EX), allow, deny]
    return [*steps, allow]
