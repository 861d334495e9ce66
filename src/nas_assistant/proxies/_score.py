"""Scores one network with several proxies, and turns what goes wrong into typed faults."""

from __future__ import annotations

import math
import sys
import textwrap
import time
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from nas_assistant.errors import UserError
from nas_assistant.proxies._base import BaseProxy, Fault, FaultKind, ProxyError, Score
from nas_assistant.proxies._probe import Array, BaseProbe
from nas_assistant.proxies._registry import get_proxy, list_proxies

_MAX_MESSAGE = 200

# Those that share a pass stand together, before those that run passes of their own.
_ORDER = ("params", "flops", "l2_norm", "naswot", "swap", "grad_norm", "snip", "fisher", "jacov", "epe_nas")


def score(
    model: Any,
    inputs: Any = None,
    labels: Any = None,
    *,
    proxies: Sequence[str] | None = None,
    seed: int = 0,
    input_shape: tuple[int, ...] | None = None,
    tokens: bool = False,
) -> list[Score]:
    """Score an untrained network with zero-cost proxies.

    The network is copied and its weights are drawn anew; see :class:`BaseProbe`. Proxies that need the same
    pass share it.

    Args:
        model: An ``nn.Module`` or a ``keras.Model``.
        inputs: One minibatch ``(batch, ...)``, channels first, as an array; without it only proxies that need
            no data give a value.
        labels: Class numbers ``(batch,)``.
        proxies: Names; all by default.
        seed: Of the weights and of everything else random.
        input_shape: Of one sample, where there are no inputs.
        tokens: Whether a sample is whole numbers then.

    Returns:
        A score a proxy, in the order asked for.

    Raises:
        UserError: A proxy is unknown, the model is neither, the labels are no class numbers, or the shapes do
            not fit together.
    """
    wanted = [get_proxy(name) for name in (list_proxies() if proxies is None else proxies)]
    probe = make_probe(model, inputs, labels, seed=seed, input_shape=input_shape, tokens=tokens)
    try:
        return score_probe(probe, wanted)
    finally:
        probe.close()


def make_probe(
    model: Any,
    inputs: Any = None,
    labels: Any = None,
    *,
    seed: int = 0,
    input_shape: tuple[int, ...] | None = None,
    tokens: bool = False,
) -> BaseProbe:
    """What asks a network; see :func:`score` for the arguments and errors."""
    if inputs is None and input_shape is None:
        raise UserError("give a minibatch, or the shape of a sample")
    values = None if inputs is None else _samples(inputs)
    classes = None if labels is None else _classes(labels)
    if values is not None and classes is not None and len(values) != len(classes):
        raise UserError(f"{len(values)} samples, but {len(classes)} labels: give one a sample")
    if "torch" in sys.modules and isinstance(model, sys.modules["torch"].nn.Module):
        from nas_assistant.proxies._torch_probe import TorchProbe

        return TorchProbe(model, values, classes, seed, input_shape, tokens)
    if "keras" in sys.modules and isinstance(model, sys.modules["keras"].Model):
        from nas_assistant.proxies._keras_probe import KerasProbe

        return KerasProbe(model, values, classes, seed, input_shape, tokens)
    raise UserError(f"an object of type {type(model).__name__} is no nn.Module and no keras.Model")


def _samples(inputs: Any) -> Array:
    """A copy in the same layout; fractions, and images of bytes, in single precision."""
    if hasattr(inputs, "detach"):
        inputs = inputs.detach().float() if inputs.is_floating_point() else inputs.detach()
    values = np.asarray(inputs).copy(order="K")
    numbers = values.dtype.kind == "f" or (values.dtype.kind in "ub" and values.ndim == 4)
    return values.astype(np.float32) if numbers else values


def _classes(labels: Any) -> Array:
    values = np.asarray(labels).reshape(-1)
    if values.dtype.kind not in "iub" and not (values.dtype.kind == "f" and (values == values.round()).all()):
        raise UserError(f"labels such as {values[0]!r} are no class numbers: give a whole number a sample")
    return values


def score_probe(probe: BaseProbe, proxies: Sequence[BaseProxy]) -> list[Score]:
    """Scores in the order of the proxies."""
    found: dict[str, Score] = {}
    for proxy in sorted(proxies, key=_place):
        found[proxy.name] = _score(probe, proxy)
    return [found[proxy.name] for proxy in proxies]


def _place(proxy: BaseProxy) -> int:
    return _ORDER.index(proxy.name) if proxy.name in _ORDER else len(_ORDER)


def _score(probe: BaseProbe, proxy: BaseProxy) -> Score:
    start = time.perf_counter()
    parts: Mapping[str, float] = {}
    value, fault = None, _missing(probe, proxy)
    if fault is None:
        try:
            found = proxy.compute(probe)
            if isinstance(found, Mapping):
                parts = {name: float(part) for name, part in found.items() if math.isfinite(part)}
                fault = Fault(FaultKind.RELATIVE, "compares networks with each other; see its parts")
            else:
                value, fault = _checked(float(found))
        except Exception as error:  # the network is the user's, and may fail in any way
            fault = _fault(error)
    return Score(proxy.name, value, fault, parts, time.perf_counter() - start)


def _missing(probe: BaseProbe, proxy: BaseProxy) -> Fault | None:
    if proxy.needs_data and probe.inputs is None:
        return Fault(FaultKind.NO_DATA, "needs a minibatch")
    if proxy.needs_labels and probe.labels is None:
        return Fault(FaultKind.NO_LABELS, "needs the class of each sample")
    return None


def _checked(value: float) -> tuple[float | None, Fault | None]:
    if math.isnan(value):
        return None, Fault(FaultKind.NOT_A_NUMBER, "the score is not a number")
    if math.isinf(value):
        return None, Fault(FaultKind.INFINITE, f"the score is {'minus ' if value < 0 else ''}infinite")
    return value, None


def _fault(error: Exception) -> Fault:
    if isinstance(error, ProxyError):
        return error.fault
    torch = sys.modules.get("torch")
    if isinstance(error, np.linalg.LinAlgError) or (
        torch is not None and isinstance(error, torch.linalg.LinAlgError)
    ):
        return Fault(FaultKind.NO_CONVERGENCE, f"a decomposition did not converge: {_one_line(error)}")
    if isinstance(error, MemoryError):
        return Fault(FaultKind.FAILED, "ran out of memory: take a smaller minibatch")
    return Fault(FaultKind.FAILED, f"{type(error).__name__}: {_one_line(error)}")


def _one_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return textwrap.shorten(lines[0], _MAX_MESSAGE, placeholder=" ...") if lines else "no message"
