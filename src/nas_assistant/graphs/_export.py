"""PyTorch by ``torch.export``: the same graph without running the model."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

import torch
from torch.fx import Node as FxNode

from nas_assistant.graphs._builder import GraphBuilder
from nas_assistant.graphs._graph import ComputationalGraph
from nas_assistant.graphs._locations import location_in_trace
from nas_assistant.graphs._operations import Operation
from nas_assistant.graphs._torch_nodes import add_call, sample_shape
from nas_assistant.graphs.torch_calls import CONSTANTS, Call, plain_name


def export_graph(module: torch.nn.Module, inputs: tuple[Any, ...]) -> ComputationalGraph:
    """Read a module through ``torch.export`` (non-strict).

    Args:
        module: A module in evaluation mode.
        inputs: Arguments of its forward pass, each tensor with the batch first.
    """
    with _quietly():
        program = torch.export.export(module, inputs, strict=False)
    reader = _Reader(module, program, int(inputs[0].shape[0]))
    for node in program.graph.nodes:
        reader.read(node)
    total = sum(p.numel() for p in module.parameters())
    return reader.builder.build(reader.outputs, total_parameters=total)


class _Reader:
    def __init__(self, module: torch.nn.Module, program: torch.export.ExportedProgram, batch: int) -> None:
        self.builder = GraphBuilder("torch", type(module).__name__)
        self.outputs: list[int] = []
        self._module = module
        self._batch = batch
        self._inputs = set(program.graph_signature.user_inputs)
        self._weights: dict[str, torch.Tensor] = {
            name: module.get_parameter(target)
            for name, target in program.graph_signature.inputs_to_parameters.items()
        }
        self._node_of: dict[FxNode, int] = {}
        self._constants: dict[FxNode, list[torch.Tensor]] = {}
        self._counted: set[int] = set()

    def read(self, node: FxNode) -> None:
        """Take over one node of the exported program."""
        if node.op == "placeholder":
            self._placeholder(node)
        elif node.op == "output":
            flat = [n for n in _nodes(node.args) if n in self._node_of]
            self.outputs = [self._node_of[n] for n in flat]
        elif node.op == "call_function":
            self._call(node)

    def _placeholder(self, node: FxNode) -> None:
        if node.name in self._weights:
            self._constants[node] = [self._weights[node.name]]
        elif node.name in self._inputs and isinstance(node.meta.get("val"), torch.Tensor):
            shape = sample_shape(node.meta["val"], self._batch)
            self._node_of[node] = self.builder.add(Operation.INPUT, output_shape=shape)

    def _call(self, node: FxNode) -> None:
        arguments = _nodes((node.args, node.kwargs))
        sources = [self._node_of[n] for n in arguments if n in self._node_of]
        weights = [w for n in arguments for w in self._constants.get(n, [])]
        if not sources:
            if weights:
                self._constants[node] = weights
            if getattr(node.target, "is_view", False) and arguments[0].name in self._weights:
                self._weights[node.name] = node.target(*map(self._value, node.args))  # type: ignore[operator]
            return
        if plain_name(str(getattr(node.target, "__name__", ""))) == "getitem":
            self._node_of[node] = sources[0]
            return
        if getattr(node.target, "_opname", "") in CONSTANTS:
            return
        value = node.meta.get("val")
        output = value[0] if isinstance(value, (tuple, list)) else value
        if isinstance(output, torch.Tensor):
            self._node_of[node] = self._add(node, output, sources, weights)

    def _add(
        self, node: FxNode, output: torch.Tensor, sources: list[int], weights: list[torch.Tensor]
    ) -> int:
        stack = node.meta.get("nn_module_stack", {})
        paths = [(str(path), str(visit)) for visit, (path, _) in stack.items()]
        call = self._described(node, output)
        fresh = {id(w): w for w in weights if id(w) not in self._counted}
        self._counted.update(fresh)
        return add_call(
            self.builder,
            call,
            sources,
            weights,
            parameters=sum(w.numel() for w in fresh.values()),
            layers=[(path, self._module.get_submodule(path), visit) for path, visit in paths],
            place=location_in_trace(node.meta.get("stack_trace") or ""),
        )

    def _described(self, node: FxNode, output: torch.Tensor) -> Call:
        schema = node.target._schema  # type: ignore[union-attr]
        names = [argument.name for argument in schema.arguments]
        aliases = {"self": "input", "query": "input"}
        bound: dict[str | int, Any] = {
            aliases.get(name, name): self._value(argument)
            for name, argument in zip(names, node.args, strict=False)
        }
        bound.update({key: self._value(argument) for key, argument in node.kwargs.items()})
        tensors = [self._value(n) for n in _nodes((node.args, node.kwargs))]
        tensors = [t for t in tensors if isinstance(t, torch.Tensor)]
        return Call(plain_name(schema.name), bound, output, self._batch, tensors)

    def _value(self, argument: Any) -> Any:
        if isinstance(argument, FxNode):
            return self._weights.get(argument.name, argument.meta.get("val"))
        if isinstance(argument, (tuple, list)):
            return [self._value(part) for part in argument]
        return argument


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """While active, PyTorch does not log what the exception says."""
    logger = logging.getLogger("torch._subclasses.fake_tensor")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


def _nodes(value: Any) -> list[FxNode]:
    if isinstance(value, FxNode):
        return [value]
    if isinstance(value, dict):
        value = tuple(value.values())
    if isinstance(value, (tuple, list)):
        return [node for part in value for node in _nodes(part)]
    return []
