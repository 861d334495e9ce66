"""Proposes, checks, predicts and keeps the best: a better version of a user's model file."""

from __future__ import annotations

from nas_assistant.assistant._check import Checker
from nas_assistant.assistant._compare import Comparison, NodeChange, compare_models, graph_changes
from nas_assistant.assistant._cost_of import CostReport, cost_of
from nas_assistant.assistant._costs import Front
from nas_assistant.assistant._evidence import Listed, Shortlist
from nas_assistant.assistant._history import SAME_ACCURACY, Candidate, Result
from nas_assistant.assistant._improve import improve, make_checker
from nas_assistant.assistant._models import ModelReport, load_predictor, report_model, write_model_graph
from nas_assistant.assistant._options import DEFAULT_GAIN, FAMILIARITY_MARGIN, Options
from nas_assistant.assistant._preview import RunPreview, preview
from nas_assistant.assistant._proxies import ProxyReport, score_file
from nas_assistant.assistant._record import RunRecord, read_run
from nas_assistant.assistant._report import report_run
from nas_assistant.assistant._rounds import Progress
from nas_assistant.assistant._run import RunDirectory, read_config
from nas_assistant.assistant._sandbox import warm_sandbox

__all__ = [
    "read_config",
    "SAME_ACCURACY",
    "DEFAULT_GAIN",
    "FAMILIARITY_MARGIN",
    "Candidate",
    "Checker",
    "Comparison",
    "CostReport",
    "Front",
    "Listed",
    "ModelReport",
    "NodeChange",
    "Options",
    "Progress",
    "ProxyReport",
    "Result",
    "RunDirectory",
    "RunPreview",
    "RunRecord",
    "Shortlist",
    "compare_models",
    "cost_of",
    "graph_changes",
    "improve",
    "make_checker",
    "load_predictor",
    "preview",
    "read_run",
    "report_model",
    "report_run",
    "score_file",
    "warm_sandbox",
    "write_model_graph",
]
