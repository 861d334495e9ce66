"""Evaluation: rankings against measured accuracies, beside baselines."""

import importlib
from typing import TYPE_CHECKING, Any

from nas_assistant.evaluation._bootstrap import bootstrap_intervals
from nas_assistant.evaluation._metrics import (
    kendall,
    ndcg,
    rank_metrics,
    regret,
    spearman,
    spearman_top_decile,
)

if TYPE_CHECKING:
    from nas_assistant.evaluation._answer_files import AnswerFile as AnswerFile
    from nas_assistant.evaluation._answer_files import Workshop as Workshop
    from nas_assistant.evaluation._answer_files import example_files as example_files
    from nas_assistant.evaluation._answer_files import lemur_files as lemur_files
    from nas_assistant.evaluation._answer_table import tabulate_answers as tabulate_answers
    from nas_assistant.evaluation._answer_table import tabulate_choices as tabulate_choices
    from nas_assistant.evaluation._answer_table import wilson as wilson
    from nas_assistant.evaluation._answers import AnswerRow as AnswerRow
    from nas_assistant.evaluation._answers import answer_row as answer_row
    from nas_assistant.evaluation._answers import measure_answers as measure_answers
    from nas_assistant.evaluation._evaluate import METRICS as METRICS
    from nas_assistant.evaluation._evaluate import Evaluation as Evaluation
    from nas_assistant.evaluation._evaluate import Row as Row
    from nas_assistant.evaluation._evaluate import evaluate as evaluate
    from nas_assistant.evaluation._evaluate import score_row as score_row
    from nas_assistant.evaluation._evaluate import unseen_networks as unseen_networks
    from nas_assistant.evaluation._jobs import Job as Job
    from nas_assistant.evaluation._jobs import Networks as Networks
    from nas_assistant.evaluation._jobs import Protocol as Protocol
    from nas_assistant.evaluation._jobs import protocols as protocols
    from nas_assistant.evaluation._jobs import run_job as run_job
    from nas_assistant.evaluation._jobs import summarise as summarise
    from nas_assistant.evaluation._loop import LOOP_FAMILIES as LOOP_FAMILIES
    from nas_assistant.evaluation._loop import LoopRecords as LoopRecords
    from nas_assistant.evaluation._loop import LoopSettings as LoopSettings
    from nas_assistant.evaluation._loop import load_population as load_population
    from nas_assistant.evaluation._loop import run_loop as run_loop
    from nas_assistant.evaluation._loop_measure import measure_loop as measure_loop
    from nas_assistant.evaluation._loop_rows import LOOP_ROWS as LOOP_ROWS
    from nas_assistant.evaluation._loop_rows import LoopRow as LoopRow
    from nas_assistant.evaluation._loop_rows import get_row as get_row
    from nas_assistant.evaluation._loop_table import compare_rows as compare_rows
    from nas_assistant.evaluation._loop_table import tabulate as tabulate
    from nas_assistant.evaluation._recipe import ABLATIONS as ABLATIONS
    from nas_assistant.evaluation._recipe import OURS as OURS
    from nas_assistant.evaluation._recipe import SHORT as SHORT
    from nas_assistant.evaluation._recipe import get_scorer as get_scorer
    from nas_assistant.evaluation._truth import Match as Match
    from nas_assistant.evaluation._truth import Truth as Truth

__all__ = [
    "ABLATIONS",
    "AnswerFile",
    "AnswerRow",
    "Evaluation",
    "Job",
    "LOOP_FAMILIES",
    "LOOP_ROWS",
    "LoopRecords",
    "LoopRow",
    "LoopSettings",
    "METRICS",
    "Match",
    "Networks",
    "OURS",
    "Protocol",
    "Row",
    "SHORT",
    "Truth",
    "Workshop",
    "answer_row",
    "bootstrap_intervals",
    "compare_rows",
    "evaluate",
    "example_files",
    "get_row",
    "get_scorer",
    "kendall",
    "lemur_files",
    "load_population",
    "measure_answers",
    "measure_loop",
    "ndcg",
    "protocols",
    "rank_metrics",
    "regret",
    "run_job",
    "run_loop",
    "score_row",
    "spearman",
    "spearman_top_decile",
    "summarise",
    "tabulate",
    "tabulate_answers",
    "tabulate_choices",
    "unseen_networks",
    "wilson",
]

_LATER = {
    **dict.fromkeys(("AnswerFile", "Workshop", "example_files", "lemur_files"), "_answer_files"),
    **dict.fromkeys(("tabulate_answers", "tabulate_choices", "wilson"), "_answer_table"),
    **dict.fromkeys(("AnswerRow", "answer_row", "measure_answers"), "_answers"),
    **dict.fromkeys(
        ("METRICS", "Evaluation", "Row", "evaluate", "score_row", "unseen_networks"), "_evaluate"
    ),
    **dict.fromkeys(("Job", "Networks", "Protocol", "protocols", "run_job", "summarise"), "_jobs"),
    **dict.fromkeys(("LOOP_FAMILIES", "LoopRecords", "LoopSettings", "load_population", "run_loop"), "_loop"),
    "measure_loop": "_loop_measure",
    **dict.fromkeys(("LOOP_ROWS", "LoopRow", "get_row"), "_loop_rows"),
    **dict.fromkeys(("compare_rows", "tabulate"), "_loop_table"),
    **dict.fromkeys(("Match", "Truth"), "_truth"),
    **dict.fromkeys(("ABLATIONS", "OURS", "SHORT", "get_scorer"), "_recipe"),
}


def __getattr__(name: str) -> Any:
    # The training reads the metrics, and the evaluation reads the training's cache.
    if name in _LATER:
        return getattr(importlib.import_module(f"{__name__}.{_LATER[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
