"""ONNX front end: reads a file's graph without running it."""

from __future__ import annotations

import ast
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from nas_assistant.errors import MissingExtraError, UserError
from nas_assistant.graphs._builder import GraphBuilder
from nas_assistant.graphs._graph import ComputationalGraph
from nas_assistant.graphs._json import MAX_NODES
from nas_assistant.graphs._locations import location_in_trace
from nas_assistant.graphs._onnx_ops import OnnxCall, Shape, describe_onnx
from nas_assistant.graphs._operations import Operation

_MAX_BYTES = 2**30
_MAX_CONSTANT = 4096
_MAX_DEPTH = 64
# Only these are computed where a constant is needed: none can grow beyond its inputs by much.
_ARITHMETIC = frozenset(
    {
        *("Constant", "Identity", "Cast", "Concat", "Squeeze", "Unsqueeze", "Reshape", "Slice", "Gather"),
        *("Add", "Sub", "Mul", "Div", "Neg"),
    }
)
# What these return depends on shapes alone.
_SHAPES = ("Shape", "Size")
_TRACE, _SCOPES, _CLASSES = (f"pkg.torch.onnx.{n}" for n in ("stack_trace", "name_scopes", "class_hierarchy"))


def read_onnx(path: str | Path) -> ComputationalGraph:
    """Read an ONNX file.

    Initialisers are the parameters; their values are not read, so weights in external files are never
    opened. The graph is what the file says: an exporter that folded the batch normalisations into the
    convolutions leaves none to see (:func:`nas_assistant.graphs.write_onnx` keeps them).

    Args:
        path: The file. An open batch size is read as 1.

    Raises:
        MissingExtraError: The ``onnx`` package is not installed.
        UserError: No such file, not an ONNX model, too large, or an input whose size is left open.
    """
    try:
        import onnx
    except ImportError as error:
        raise MissingExtraError("onnx", "onnx", "Reading an ONNX file") from error
    path = Path(path)
    model = _load(onnx, path)
    batch = _close_shapes(model.graph, path)
    try:
        model = onnx.shape_inference.infer_shapes(model, data_prop=True)
    except Exception as error:
        raise UserError(f"{path}: shapes cannot be inferred: {_one_line(error)}") from error
    reader = _Reader(onnx, model.graph, path.stem, batch)
    for node in model.graph.node:
        try:
            reader.read(node)
        except Exception as error:
            where = f"{node.op_type} {node.name}".strip()
            raise UserError(f"{path}: not a valid ONNX model: {where}: {_one_line(error)}") from error
    return reader.build()


def _load(onnx: Any, path: Path) -> Any:
    try:
        size = path.stat().st_size
        if size > _MAX_BYTES:
            raise UserError(f"{path}: {size:,} bytes is too large to read ({_MAX_BYTES:,} at most)")
        content = path.read_bytes()
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error
    try:
        model = onnx.load_model_from_string(content)
        if len(model.functions):
            model = onnx.inliner.inline_local_functions(model)
    except Exception as error:
        raise UserError(f"{path}: not an ONNX model, or cut short: {_one_line(error)}") from error
    if not model.ir_version or not len(model.graph.node) or not len(model.graph.output):
        raise UserError(f"{path}: not an ONNX model: it holds no graph")
    if len(model.graph.node) > MAX_NODES:
        raise UserError(f"{path}: {len(model.graph.node):,} nodes are too many ({MAX_NODES:,} at most)")
    return model


def _close_shapes(graph: Any, path: Path) -> int:
    """Give open batch sizes the value 1, everywhere they are named, and return the batch size."""
    weights = {tensor.name for tensor in graph.initializer}
    inputs = [value for value in graph.input if value.name not in weights]
    open_batches: set[str] = set()
    for value in inputs:
        dims = value.type.tensor_type.shape.dim
        shape = ", ".join(str(d.dim_value or d.dim_param or "?") for d in dims)
        for axis, dim in enumerate(dims):
            if dim.HasField("dim_value") and dim.dim_value > 0:
                continue
            if axis:
                raise UserError(
                    f"{path}: input {value.name!r} has the open shape ({shape}): export it with fixed sizes"
                )
            open_batches.add(dim.dim_param)
            dim.dim_value = 1
    for value in (*graph.value_info, *graph.output):
        for dim in value.type.tensor_type.shape.dim:
            if dim.dim_param and dim.dim_param in open_batches:
                dim.dim_value = 1
    first = inputs[0].type.tensor_type.shape.dim if inputs else []
    return int(first[0].dim_value) if len(first) else 1


class _Reader:
    def __init__(self, onnx: Any, graph: Any, name: str, batch: int) -> None:
        self._onnx = onnx
        self._graph = graph
        self._batch = batch
        self._builder = GraphBuilder("onnx", graph.name if graph.name not in ("", "main_graph") else name)
        self._weights = {t.name: t for t in graph.initializer if _is_float(onnx, t)}
        self._shapes: dict[str, Shape | None] = {t.name: tuple(t.dims) for t in graph.initializer}
        self._constants: dict[str, Any] = {t.name: t for t in graph.initializer}
        self._parts: dict[str, tuple[str, ...]] = {name: (name,) for name in self._weights}
        self._values: dict[str, Any] = {}
        self._node_of: dict[str, int] = {}
        self._counted: set[str] = set()
        for value in (*graph.value_info, *graph.input, *graph.output):
            self._shapes.setdefault(value.name, _shape_of(value))
        for value in graph.input:
            if value.name not in self._constants:
                shape = self._sample(self._shapes[value.name])
                self._node_of[value.name] = self._builder.add(Operation.INPUT, output_shape=shape)

    def read(self, node: Any) -> None:
        """Take over one node."""
        # Of its second input `CastLike` reads the type alone.
        read = node.input[:1] if node.op_type == "CastLike" else node.input
        sources = [self._node_of[name] for name in read if name in self._node_of]
        if not sources or node.op_type in _SHAPES:
            parts = tuple(part for name in node.input for part in self._parts.get(name, ()))
            for name in node.output:
                self._constants[name] = node
                if parts and node.op_type not in _SHAPES:
                    self._parts[name] = parts
            return
        notes = {entry.key: entry.value for entry in node.metadata_props}
        description = describe_onnx(self._call(node))
        if node.op_type == "Identity" and ".dropout." in notes.get(_CLASSES, ""):
            description = {"op": Operation.DROPOUT}
        weights = self._read_weights(node, description["op"])
        if weights and "weight_shape" not in description:
            description["weight_shape"] = tuple(self._weights[weights[0]].dims)
        fresh = [name for name in weights if name not in self._counted]
        self._counted.update(fresh)
        index = self._builder.add(
            description.pop("op"),
            sources,
            output_shape=self._sample(self._shapes.get(node.output[0])),
            parameters=sum(math.prod(self._weights[name].dims) for name in fresh),
            layer=_layer(notes.get(_SCOPES, "")),
            detail=node.op_type,
            call=location_in_trace(notes.get(_TRACE, "")),
            **description,
        )
        for name in node.output:
            if name:
                self._node_of[name] = index

    def build(self) -> ComputationalGraph:
        """The graph, up to the file's outputs."""
        ends = [self._node_of[value.name] for value in self._graph.output if value.name in self._node_of]
        return self._builder.build(ends)

    def _call(self, node: Any) -> OnnxCall:
        onnx = self._onnx
        attributes = {a.name: _plain(onnx.helper.get_attribute_value(a)) for a in node.attribute}
        parts = {i: self._parts[name] for i, name in enumerate(node.input) if name in self._parts}
        return OnnxCall(
            name=node.op_type,
            attributes=attributes,
            shapes=[self._shapes.get(name) if name else None for name in node.input],
            output=self._shapes.get(node.output[0]),
            weights={i: self._shape_of_part(node.input[i], names) for i, names in parts.items()},
            value=lambda position: self._value_at(node, position),
        )

    def _shape_of_part(self, name: str, parts: Sequence[str]) -> Shape:
        known = self._shapes.get(name)
        return known if known else tuple(self._weights[parts[0]].dims)

    def _read_weights(self, node: Any, op: Operation) -> list[str]:
        """Names of the initialisers that are parameters of a node."""
        used = [*node.input[:3]] if node.op_type == "BatchNormalization" else list(node.input)
        if op in (Operation.UPSAMPLE, Operation.PAD, Operation.DROPOUT, Operation.RELU6, Operation.RESHAPE):
            return []
        names = dict.fromkeys(part for name in used for part in self._parts.get(name, ()))
        # A single number is a constant of the arithmetic, not a parameter.
        return [name for name in names if math.prod(self._weights[name].dims) > 1]

    def _value_at(self, node: Any, position: int) -> Any:
        name = node.input[position] if position < len(node.input) else ""
        value = self._value(name, depth=0) if name else None
        if value is None:
            return None
        return value.item() if value.size == 1 and value.ndim == 0 else value.reshape(-1).tolist()

    def _value(self, name: str, depth: int) -> Any:
        """The array behind a small constant; None where it is large, external or not known."""
        if name not in self._values:
            self._values[name] = None  # while it is being computed
            self._values[name] = self._compute(self._constants.get(name), depth)
        return self._values[name]

    def _compute(self, source: Any, depth: int) -> Any:
        if source is None or depth > _MAX_DEPTH:
            return None
        if isinstance(source, self._onnx.TensorProto):
            inline = source.data_location != self._onnx.TensorProto.EXTERNAL
            small = math.prod(source.dims) <= _MAX_CONSTANT
            return self._onnx.numpy_helper.to_array(source) if inline and small else None
        if source.op_type == "CastLike":
            return self._value(source.input[0], depth + 1)
        if source.op_type not in _ARITHMETIC or source.domain not in ("", "ai.onnx"):
            return None
        feeds = {part: self._value(part, depth + 1) for part in source.input if part}
        if any(value is None for value in feeds.values()):
            return None
        try:
            result = self._onnx.reference.ReferenceEvaluator(source).run(None, feeds)[0]
        except Exception:
            return None
        return result if getattr(result, "size", _MAX_CONSTANT + 1) <= _MAX_CONSTANT else None

    def _sample(self, shape: Shape | None) -> Shape:
        if not shape:
            return ()
        return shape[1:] if shape[0] == self._batch else shape


def _is_float(onnx: Any, tensor: Any) -> bool:
    kinds = (
        onnx.TensorProto.FLOAT,
        onnx.TensorProto.FLOAT16,
        onnx.TensorProto.DOUBLE,
        onnx.TensorProto.BFLOAT16,
    )
    return tensor.data_type in kinds


def _shape_of(value: Any) -> Shape | None:
    if not value.type.tensor_type.HasField("shape"):
        return None
    dims = value.type.tensor_type.shape.dim
    return tuple(int(dim.dim_value) for dim in dims) if all(dim.dim_value for dim in dims) else None


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    return list(value) if isinstance(value, Sequence) and not isinstance(value, str) else value


def _layer(scopes: str) -> str:
    """Dotted name of the layer, from what PyTorch's exporter notes."""
    try:
        names = ast.literal_eval(scopes) if scopes else []
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return ""
    return str(names[-2]) if isinstance(names, list) and len(names) > 1 else ""


def _one_line(error: BaseException) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), type(error).__name__)
