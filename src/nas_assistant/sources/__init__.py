"""Finds the model in a user's file, and builds and runs it in a sandboxed process."""

from __future__ import annotations

from nas_assistant.sources._choose import EntryCall, choose_entry, parse_entry
from nas_assistant.sources._entries import Entry, find_entries
from nas_assistant.sources._example import shape_text
from nas_assistant.sources._export import export_onnx
from nas_assistant.sources._features import sandbox_features
from nas_assistant.sources._inspect import Inspection, inspect_model, job_result, run_model
from nas_assistant.sources._latency import RUNTIMES, Latency, Timing, measure_latency
from nas_assistant.sources._limits import GIB, Limits
from nas_assistant.sources._names import Names
from nas_assistant.sources._resolve_data import ResolvedData, resolve_data
from nas_assistant.sources._roots import reach
from nas_assistant.sources._samples import Samples, read_samples
from nas_assistant.sources._sandbox import Sandbox
from nas_assistant.sources._source import expression_tree, parse_source, read_source, syntax_tree
from nas_assistant.sources._watch import Outcome

__all__ = [
    "reach",
    "ResolvedData",
    "resolve_data",
    "Names",
    "GIB",
    "job_result",
    "run_model",
    "Entry",
    "EntryCall",
    "Inspection",
    "Latency",
    "Limits",
    "Outcome",
    "RUNTIMES",
    "Samples",
    "Sandbox",
    "Timing",
    "choose_entry",
    "export_onnx",
    "expression_tree",
    "find_entries",
    "inspect_model",
    "measure_latency",
    "parse_entry",
    "parse_source",
    "read_samples",
    "read_source",
    "sandbox_features",
    "shape_text",
    "syntax_tree",
]
