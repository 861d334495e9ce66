"""For what other rooms run inside the sandboxed process: how a file is loaded, seeded and given its data."""

from __future__ import annotations

from nas_assistant.sources._child import kind_of, seed_all
from nas_assistant.sources._data import (
    SPLITS,
    decode,
    example_shape,
    in_class_folders,
    split_of,
    training_images,
    with_files,
    with_object,
)
from nas_assistant.sources._labelled import fitted, read_labelled
from nas_assistant.sources._load import JobFailure, load_module, make_object

__all__ = [
    "SPLITS",
    "JobFailure",
    "decode",
    "example_shape",
    "fitted",
    "in_class_folders",
    "kind_of",
    "load_module",
    "make_object",
    "read_labelled",
    "seed_all",
    "split_of",
    "training_images",
    "with_files",
    "with_object",
]
