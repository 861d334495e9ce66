"""Arguments and options that several commands share."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Literal

import typer

from nas_assistant.errors import UserError

Model = Annotated[
    Path, typer.Argument(metavar="MODEL.py", help="A Python file with a PyTorch or Keras model.")
]
AnyModel = Annotated[
    Path,
    typer.Argument(metavar="MODEL.py", help="A Python file with a model, an .onnx, .json or .pkl file."),
]
Entry = Annotated[
    str | None,
    typer.Option(help="Which model of the file: a name, or a call such as 'Net(10, width=2)'."),
]
Data = Annotated[
    str | None,
    typer.Option(
        help="Where samples come from: file.py:name, an image folder or a zip of one, cifar10 or digits."
    ),
]
InputShape = Annotated[
    str | None,
    typer.Option(metavar="C,H,W", help="Shape of one sample, channels first, such as 3,32,32."),
]
Checkpoint = Annotated[
    Path | None, typer.Option(help="A checkpoint folder that 'train' wrote; the shipped one by default.")
]
CostRuntime = Annotated[
    Literal["framework", "onnxruntime"],
    typer.Option(help="What runs it: PyTorch as it is and Keras compiled, or ONNX Runtime (extra runtime)."),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on stdout and nothing else there.")]
DataRoot = Annotated[
    Path | None,
    typer.Option(help="Folder of the label tables; NAS_ASSISTANT_DATA or ../shared/data by default."),
]


def parse_shape(text: str | None) -> tuple[int, ...] | None:
    """Read ``3,32,32``.

    Raises:
        UserError: It is no shape.
    """
    if text is None:
        return None
    try:
        shape = tuple(int(part) for part in text.strip("() ").split(","))
    except ValueError:
        shape = ()
    if not shape or min(shape) < 1:
        raise UserError(f"--input-shape {text}: give positive numbers, channels first, such as 3,32,32")
    return shape


def check_folder(path: Path | None) -> Path | None:
    """Refuse, as an option's callback, what cannot become a folder that is written to."""
    if path is not None:
        place = next((one for one in (path, *path.parents) if os.path.exists(one)), path)
        if not (place.is_dir() and os.access(place, os.W_OK)):
            raise typer.BadParameter(f"{place} is no folder that can be written to; name another")
    return path


def refuse_written(context: typer.Context, names: Sequence[str], reason: str) -> None:
    """Refuse options that would have no effect.

    Raises:
        UserError: The user wrote one of them.
    """
    for name in names:
        if name in written(context):
            raise UserError(f"--{name.replace('_', '-')} {reason}")


def written(context: typer.Context) -> set[str]:
    """Names of the parameters that the user wrote, also where that is what they are by default."""
    sources = {name: context.get_parameter_source(name) for name in context.params}
    return {name for name, source in sources.items() if source is not None and source.name == "COMMANDLINE"}
