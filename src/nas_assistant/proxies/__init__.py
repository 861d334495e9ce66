"""Zero-cost proxies: scores of an untrained network on one minibatch, one file each."""

from __future__ import annotations

from nas_assistant.proxies._base import BaseProxy, Fault, FaultKind, ProxyError, Score
from nas_assistant.proxies._probe import BaseProbe, Block, Perturbation, Saliency
from nas_assistant.proxies._registry import GROUP, get_proxy, list_proxies
from nas_assistant.proxies._score import make_probe, score, score_probe

__all__ = [
    "GROUP",
    "BaseProbe",
    "BaseProxy",
    "Block",
    "Fault",
    "FaultKind",
    "Perturbation",
    "ProxyError",
    "Saliency",
    "Score",
    "get_proxy",
    "list_proxies",
    "make_probe",
    "score",
    "score_probe",
]
