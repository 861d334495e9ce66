"""Generators turn an annotated source into proposed changes."""

from nas_assistant.generators._base import Attempt, BaseGenerator, Constraints, Proposal, Request

__all__ = ["Attempt", "BaseGenerator", "Constraints", "Proposal", "Request"]
