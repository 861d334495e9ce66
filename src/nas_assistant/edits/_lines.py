"""Lines that edits of arguments make too long."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence

import libcst as cst

from nas_assistant.edits._context import EditContext
from nas_assistant.edits._order import is_sequential
from nas_assistant.edits._places import unfolded
from nas_assistant.edits._replace import LINE_LENGTH, Replacement
from nas_assistant.edits._source import SourceTree


def line_breaks(context: EditContext, replacements: Sequence[Replacement]) -> Iterator[Replacement]:
    """What puts the layers of a PyTorch Sequential on lines of their own where their one line gets too long.

    Only for replacements within its layers; what comes between them breaks its lines itself.
    """
    if not context.torch:
        return
    tree = context.tree
    by_line: dict[int, list[Replacement]] = defaultdict(list)
    for item in dict.fromkeys(replacements):
        by_line[tree.line_start(item.start)].append(item)
    for start, found in by_line.items():
        line = tree.data[start : tree.line_end(start)].decode()
        more = sum(len(item.text) - (item.end - item.start) for item in found)
        plain = all("\n" not in item.text and item.end <= tree.line_end(start) for item in found)
        if not plain or not len(line) <= LINE_LENGTH < len(line) + more:
            continue
        for call in tree.nodes(cst.Call):
            if isinstance(call, cst.Call) and is_sequential(context, call) and not _is_fixed(tree, call):
                spans = [tree.span(argument) for argument in call.args]
                if all(any(_inside(item, *span) for span in spans) for item in found):
                    yield from unfolded(context, call.args[-1], [])
                    break


def _is_fixed(tree: SourceTree, call: cst.Call) -> bool:
    return "\n" in tree.code(call) or tree.shares_line(call)


def _inside(item: Replacement, start: int, end: int) -> bool:
    return start <= item.start and item.end <= end and (not item.inserts or start < item.start < end)
