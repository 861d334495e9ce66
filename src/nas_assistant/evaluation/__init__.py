"""Evaluation: rankings against measured accuracies, beside baselines."""

from nas_assistant.evaluation._answer_files import AnswerFile, Workshop, example_files, lemur_files
from nas_assistant.evaluation._answer_table import tabulate_answers, tabulate_choices, wilson
from nas_assistant.evaluation._answers import AnswerRow, answer_row, measure_answers
from nas_assistant.evaluation._bootstrap import bootstrap_intervals
from nas_assistant.evaluation._evaluate import METRICS, Evaluation, Row, evaluate, score_row, unseen_networks
from nas_assistant.evaluation._jobs import Job, Networks, Protocol, protocols, run_job, summarise
from nas_assistant.evaluation._loop import LOOP_FAMILIES, LoopRecords, LoopSettings, load_population, run_loop
from nas_assistant.evaluation._loop_measure import measure_loop
from nas_assistant.evaluation._loop_rows import LOOP_ROWS, LoopRow, get_row
from nas_assistant.evaluation._loop_table import compare_rows, tabulate
from nas_assistant.evaluation._recipe import ABLATIONS, OURS, SHORT, get_scorer
from nas_assistant.evaluation._truth import Match, Truth
from nas_assistant.metrics import (
    kendall,
    ndcg,
    rank_metrics,
    regret,
    spearman,
    spearman_top_decile,
)

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
