"""How one call of a PyTorch operation becomes a node; shared by the tracer and the exporter."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from nas_assistant.graphs._builder import GraphBuilder
from nas_assistant.graphs._locations import created_at
from nas_assistant.graphs._node import Location
from nas_assistant.graphs._operations import Operation
from nas_assistant.graphs.torch_calls import Call, describe


def add_call(
    builder: GraphBuilder,
    call: Call,
    sources: Sequence[int],
    weights: Sequence[torch.Tensor],
    *,
    parameters: int,
    layers: Sequence[tuple[str, torch.nn.Module, str]],
    place: Location | None,
) -> int:
    """Add the node of one call.

    Args:
        builder: Takes the node.
        call: The call.
        sources: Ids of the nodes that it reads.
        weights: Trainable tensors that it reads, directly or through constants.
        parameters: How many of their numbers no earlier node has used.
        layers: Names, modules and visits (a text of its own for each time a module runs) that are running,
            outermost first.
        place: Line of the forward pass.

    Returns:
        The node's id.
    """
    attributes = describe(call)
    common: dict[str, Any] = {
        "output_shape": sample_shape(call.output, call.batch),
        "parameters": parameters,
        "call": place,
    }
    for name, layer, visit in layers:
        if isinstance(layer, torch.nn.MultiheadAttention):
            common.update(layer=name, macs=attributes.get("macs", 0))
            return _add_attention(builder, visit, layer, sources, **common)
    if weights and "weight_shape" not in attributes:
        attributes["weight_shape"] = tuple(weights[0].shape)
    name, innermost, visit = layers[-1] if layers else ("", None, "")
    node = builder.add(
        attributes.pop("op"),
        sources,
        layer=name,
        detail=call.name,
        created=_layer_location(innermost),
        **common,
        **attributes,
    )
    if _derives_from_layer(innermost) and (created := created_at(innermost)):
        builder.own(visit, created, node)
    return node


def _add_attention(
    builder: GraphBuilder,
    visit: str,
    module: torch.nn.MultiheadAttention,
    sources: Sequence[int],
    **known: Any,
) -> int:
    """Add one step of multi-head attention, which is a single node as a whole."""
    return builder.fold(
        visit,
        Operation.ATTENTION,
        sources,
        weight_shape=(3 * module.embed_dim, module.embed_dim),
        bias=module.in_proj_bias is not None,
        detail="multi_head_attention",
        created=_layer_location(module),
        **known,
    )


def sample_shape(tensor: torch.Tensor, batch: int) -> tuple[int, ...]:
    """Shape of one sample: the first axis left out when it is the batch."""
    shape = tuple(int(size) for size in tensor.shape)
    return shape[1:] if shape and shape[0] == batch else shape


def _layer_location(layer: Any) -> Location | None:
    """Where a layer of the framework's own was created; a user's block is not itself an operation."""
    return created_at(layer) if _is_framework(type(layer)) else None


def _derives_from_layer(part: torch.nn.Module | None) -> bool:
    """Whether a module is a user's own kind of one of the framework's layers, such as ``nn.Conv2d``."""
    bases = [base for base in type(part).__mro__ if _is_framework(base)]
    if part is None or bases[0] in (torch.nn.Module, type(part)):
        return False
    return not any(True for child in part.children() for _ in child.parameters())


def _is_framework(kind: type) -> bool:
    return kind.__module__.startswith("torch.")
