"""What a model file may use while it is built and run."""

from __future__ import annotations

from dataclasses import dataclass

MIB = 2**20
GIB = 2**30


@dataclass(frozen=True, slots=True)
class Limits:
    """Bounds on one job in the sandbox. Processes are not bounded but forbidden.

    Attributes:
        seconds: Wall-clock time of one job; the import of the framework is not counted.
        memory_bytes: Resident memory of the job.
        file_bytes: Size of one file, and of everything it leaves in its scratch folder.
        threads: Threads of the job.
        answer_bytes: Size of the graph that it hands back, as JSON.
    """

    seconds: float = 60.0
    memory_bytes: int = 8 * GIB
    file_bytes: int = 64 * MIB
    threads: int = 256
    answer_bytes: int = 32 * MIB

    def __post_init__(self) -> None:
        for name in self.__slots__:
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} of the limits must be positive, not {getattr(self, name)}")
