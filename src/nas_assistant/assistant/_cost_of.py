"""What one model costs on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from nas_assistant.assistant._sandbox import warm_sandbox
from nas_assistant.costs import activation_bytes, memory_bytes
from nas_assistant.errors import UserError
from nas_assistant.graphs import GRAPH_SUFFIXES
from nas_assistant.sources import Inspection, Latency, Timing, inspect_model, measure_latency, read_source


@dataclass(frozen=True, slots=True)
class CostReport:
    """What is known of the costs of one model.

    Attributes:
        inspection: The model as it was built and run.
        timing: How latency was measured, and the batch that memory is about.
        latency: What it was, or None for a file that only holds a graph.
    """

    inspection: Inspection
    timing: Timing
    latency: Latency | None

    @property
    def activation_bytes(self) -> int:
        """Peak memory of the activations, reckoned."""
        return activation_bytes(self.inspection.graph, self.timing.batch)

    @property
    def memory_bytes(self) -> int:
        """The same with the parameters."""
        return memory_bytes(self.inspection.graph, self.timing.batch)

    def to_json(self) -> dict[str, Any]:
        """As plain JSON data; seconds and bytes."""
        graph, latency = self.inspection.graph, self.latency
        return {
            "params": graph.parameters,
            "flops": graph.flops,
            "activation_memory": self.activation_bytes,
            "memory": self.memory_bytes,
            "latency": latency.seconds if latency else None,
            "latency_low": latency.low if latency else None,
            "latency_high": latency.high if latency else None,
            "repeats": latency.repeats if latency else None,
            "batch_size": self.timing.batch,
            "threads": self.timing.threads,
            "runtime": self.timing.runtime,
        }


def cost_of(
    path: str | Path,
    *,
    entry: str | None = None,
    data: str | None = None,
    input_shape: tuple[int, ...] | None = None,
    timing: Timing | None = None,
) -> CostReport:
    """Build a model in the sandbox, count what it needs and time its forward pass.

    Args:
        path: A Python file; of an ``.onnx``, ``.json`` or ``.pkl`` file all but the latency is known.
        entry: Which model of the file; see :func:`nas_assistant.sources.inspect_model`.
        data: Where samples come from, likewise.
        input_shape: Shape of one sample, channels first.
        timing: Batch size, threads, runtime and seconds of repeats.

    Raises:
        UserError: The file or an option is at fault.
    """
    path, timing = Path(path), timing or Timing()
    if path.suffix in GRAPH_SUFFIXES:
        if entry or data or input_shape:
            raise UserError(f"{path}: a graph is read as it is: leave --entry, --data and --input-shape out")
        return CostReport(inspect_model(path), timing, None)
    with warm_sandbox(path, read_source(path), entry) as sandbox:
        inspection, latency = measure_latency(
            path, entry=entry, data=data, input_shape=input_shape, timing=timing, sandbox=sandbox
        )
    return CostReport(inspection, timing, latency)
