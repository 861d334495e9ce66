"""What a network costs: parameters, FLOPs, memory and latency, and the trade-off with accuracy."""

from __future__ import annotations

from nas_assistant.costs._front import Value, dominates, hypervolume, pareto_front
from nas_assistant.costs._memory import activation_bytes, memory_bytes
from nas_assistant.costs._objectives import OBJECTIVES, parse_objectives
from nas_assistant.costs._text import bytes_text, cost_text, seconds_text

__all__ = [
    "OBJECTIVES",
    "Value",
    "activation_bytes",
    "bytes_text",
    "cost_text",
    "dominates",
    "hypervolume",
    "memory_bytes",
    "pareto_front",
    "parse_objectives",
    "seconds_text",
]
