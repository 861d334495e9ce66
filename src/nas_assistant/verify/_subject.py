"""A model that is to be trained."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from nas_assistant.errors import UserError
from nas_assistant.graphs import GRAPH_SUFFIXES, ComputationalGraph
from nas_assistant.sources import Sandbox, inspect_model, read_source


@dataclass(frozen=True, slots=True)
class Subject:
    """A model that is to be trained: text, and the network that it gave when it was built.

    Attributes:
        name: For tables.
        path: Where its text stands, or stood while it was built.
        source: The text.
        entry: The entry that builds it.
        framework: ``torch`` or ``keras``.
        graph: Its computational graph.
        notes: What to announce.
    """

    name: str
    path: Path
    source: str
    entry: str
    framework: str
    graph: ComputationalGraph
    notes: tuple[str, ...] = ()

    @property
    def key(self) -> str:
        """Names its folders: the same model, the same key."""
        content = f"{self.source}\0{self.entry}\0{self.graph.hash}".encode()
        return hashlib.blake2b(content, digest_size=6).hexdigest()


def read_subject(
    path: str | Path,
    *,
    name: str | None = None,
    entry: str | None = None,
    data: str | None = None,
    source: str | None = None,
    sandbox: Sandbox | None = None,
) -> Subject:
    """Build the model of a file in the sandbox and run it on the data, before anything is trained.

    Args:
        path: A Python file.
        name: For tables; the file's by default.
        entry: See :func:`nas_assistant.sources.inspect_model`, like the arguments that follow.
        data: Likewise.
        source: Likewise.
        sandbox: Likewise.

    Raises:
        UserError: The file or the data is at fault.
    """
    path = Path(path)
    if source is None and path.suffix in GRAPH_SUFFIXES:
        raise UserError(f"{path}: a graph without weights to train: name a Python file")
    source = read_source(path) if source is None else source
    found = inspect_model(path, entry=entry, data=data, source=source, sandbox=sandbox)
    return Subject(name or path.name, path, source, found.entry, found.framework, found.graph, found.notes)
