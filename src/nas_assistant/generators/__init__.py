"""Generators turn an annotated source into proposed changes."""

from nas_assistant.generators._base import Attempt, BaseGenerator, Constraints, Proposal, Request
from nas_assistant.generators._registry import get_generator, list_generators, register

__all__ = [
    "Attempt",
    "BaseGenerator",
    "Constraints",
    "Proposal",
    "Request",
    "get_generator",
    "list_generators",
    "register",
]
