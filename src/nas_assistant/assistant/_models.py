"""One model file at a time: its graph, its prediction, its relevance."""

from __future__ import annotations

import contextlib
import importlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from nas_assistant.assistant._notes import scope_notes
from nas_assistant.assistant._own_data import outlook_of, read_own_data
from nas_assistant.assistant._sandbox import warm_sandbox
from nas_assistant.errors import UserError
from nas_assistant.graphs import GRAPH_SUFFIXES
from nas_assistant.sources import Inspection, export_onnx, inspect_model, read_source

if TYPE_CHECKING:
    from nas_assistant.predictors import Prediction, Predictor
    from nas_assistant.relevance import LayerRelevance, Relevance
    from nas_assistant.similarity import Outlook

_SUFFIXES = (".json", ".dot", ".svg", ".onnx")


@dataclass(frozen=True, slots=True)
class ModelReport:
    """What is known of one model.

    Attributes:
        inspection: The model as it was built and run.
        prediction: Its predicted accuracy.
        relevance: What each layer contributes, where that was asked for.
        own_data: What the prediction is worth on the user's data, where that is known.
    """

    inspection: Inspection
    prediction: Prediction
    relevance: Relevance | None = None
    own_data: Outlook | None = None

    def to_json(self) -> dict[str, Any]:
        """The prediction and the size of the model as plain JSON data."""
        graph, prediction = self.inspection.graph, self.prediction
        return {
            "accuracy": prediction.accuracy,
            "low": prediction.interval[0],
            "high": prediction.interval[1],
            "familiarity": prediction.familiarity,
            "unseen": list(prediction.unseen),
            "params": graph.parameters,
            "flops": graph.flops,
            "nodes": len(graph),
        } | ({"own_data": self.own_data.to_json()} if self.own_data is not None else {})

    @property
    def layers(self) -> tuple[LayerRelevance, ...]:
        """The relevance of every layer, in the order in which they run; none where it was not asked for."""
        from nas_assistant.relevance import in_forward_order

        return in_forward_order(self.inspection.graph, self.relevance) if self.relevance is not None else ()

    def relevance_to_json(self) -> list[dict[str, Any]]:
        """The relevance of every layer as plain JSON data."""
        return [
            {"layer": layer.layer, "op": layer.op, "relevance": layer.weight, "line": layer.line}
            for layer in self.layers
        ]


def load_predictor(checkpoint: str | Path | None = None) -> Predictor:
    """The shipped predictor, or that of a checkpoint folder.

    Raises:
        UserError: The checkpoint is missing, damaged or foreign.
    """
    from nas_assistant.predictors import Predictor

    return Predictor.load(checkpoint)


def report_model(
    path: str | Path,
    *,
    entry: str | None = None,
    data: str | None = None,
    input_shape: tuple[int, ...] | None = None,
    checkpoint: str | Path | None = None,
    with_relevance: bool = False,
) -> ModelReport:
    """Build a model in the sandbox and predict its accuracy.

    Args:
        path: A Python, ``.onnx``, ``.json`` or ``.pkl`` file.
        entry: Which model of the file; see :func:`nas_assistant.sources.inspect_model`.
        data: Where samples come from, likewise.
        input_shape: Shape of one sample, channels first.
        checkpoint: A checkpoint folder; the shipped one by default.
        with_relevance: Also find what each layer contributes.

    Raises:
        UserError: The file, an option or the checkpoint is at fault.
    """
    path = Path(path)
    with contextlib.ExitStack() as stack:
        sandbox = None
        if path.suffix not in GRAPH_SUFFIXES:
            sandbox = stack.enter_context(warm_sandbox(path, read_source(path), entry))
            # Both processes import at the same time; this one has nothing else to do.
            importlib.import_module("nas_assistant.predictors")
        inspection = inspect_model(path, entry=entry, data=data, input_shape=input_shape, sandbox=sandbox)
        own, notes = read_own_data(None if with_relevance else data, sandbox)
    notes = (*inspection.notes, *scope_notes(inspection.graph), *notes)
    inspection = replace(inspection, notes=notes)
    predictor = load_predictor(checkpoint)
    found = None
    if with_relevance:
        from nas_assistant.relevance import relevance

        found = relevance(inspection.graph, predictor)
    prediction = predictor.predict(inspection.graph)
    return ModelReport(inspection, prediction, found, outlook_of(prediction, own))


def write_model_graph(
    path: str | Path,
    out: str | Path | None,
    *,
    entry: str | None = None,
    data: str | None = None,
    input_shape: tuple[int, ...] | None = None,
) -> Inspection:
    """Build a model in the sandbox and write its graph.

    Args:
        path: A Python, ``.onnx``, ``.json`` or ``.pkl`` file.
        out: ``.json``, ``.dot``, ``.svg`` or ``.onnx``; nothing is written without one.
        entry: Which model of the file.
        data: Where samples come from.
        input_shape: Shape of one sample, channels first.

    Raises:
        UserError: The file, an option or the suffix of ``out`` is at fault.
    """
    out = Path(out) if out is not None else None
    if out is not None and out.suffix.lower() not in _SUFFIXES:
        raise UserError(f"{out}: cannot write a graph as that: use {', '.join(_SUFFIXES)}")
    if out is not None and out.suffix.lower() == ".onnx":
        return export_onnx(path, out, entry=entry, data=data, input_shape=input_shape)
    inspection = inspect_model(path, entry=entry, data=data, input_shape=input_shape)
    if out is not None:
        inspection.graph.save(out)
    return inspection
