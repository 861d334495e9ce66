"""The loop's table: what is matched, what is kept, and what is counted."""

from __future__ import annotations

import json
import random
from types import SimpleNamespace

import pytest
import torch
from assistant.helpers import make_predictor

from nas_assistant.assistant import improve
from nas_assistant.errors import UserError
from nas_assistant.evaluation import (
    LOOP_ROWS,
    LoopRecords,
    LoopSettings,
    Truth,
    compare_rows,
    get_row,
    load_population,
    run_loop,
    tabulate,
)
from nas_assistant.evaluation._loop import Population
from nas_assistant.evaluation._loop_rows import EncodingSearch
from nas_assistant.families import Network, get_family
from nas_assistant.generators import Proposal
from nas_assistant.generators._mutate import MutateGenerator
from nas_assistant.graphs import ComputationalGraph
from nas_assistant.predictors import Prediction

NB201 = get_family("nb201")
CONV = NB201.parse(
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|skip_connect~1|+|skip_connect~0|nor_conv_1x1~1|avg_pool_3x3~2|"
)


def one_start():
    start = Network("start", CONV, 0.7)
    return Population(NB201, (start,), [], 2.0, Truth(NB201, [start, *near(CONV, 80)]))


def near(encoding, count, seed=0):
    """Neighbours of an encoding with made-up labels."""
    rng = random.Random(seed)
    made = {NB201.format(e): e for e in (NB201.neighbour(encoding, rng) for _ in range(20 * count))}
    return [Network(str(i), e, 0.5 + 0.001 * i) for i, e in enumerate(list(made.values())[:count])]


class BySize:
    """Predicts by the number of parameters."""

    def __init__(self):
        self.metadata = {"config": {}}

    def predict_many(self, graphs):
        return [Prediction(graph.parameters / 100, (0.0, 1.0), 1.0, ()) for graph in graphs]


class Numbers:
    """A family of numbers, whose graphs are as large as they are and as good."""

    name = "numbers"

    def __init__(self):
        self.asked = 0

    def graph(self, encoding):
        self.asked += 1
        return SimpleNamespace(parameters=encoding)

    def neighbour(self, encoding, rng):
        return min(max(encoding + rng.choice((-1, 1)), 0), 99)

    def identity(self, encoding):
        return str(encoding)

    def identity_of(self, network):
        return network.key


NUMBERS = [Network(str(i), i, i / 100) for i in range(100)]


def built(source):
    names = {"__name__": "source"}
    exec(compile(source, "source.py", "exec"), names)
    with torch.device("meta"):
        return ComputationalGraph.from_torch(names["Network"](), torch.empty(2, 3, 32, 32), method="trace")


def test_a_graph_is_matched_to_its_label():
    truth = Truth(NB201, [Network("a", CONV, 0.9), *near(CONV, 10)])
    match = truth.match(built(NB201.source(CONV)))
    assert match is not None and match.accuracy == match.estimate == 0.9
    wider = NB201.source(CONV).replace("nn.Linear(64, num_classes)", "nn.Linear(64, num_classes, bias=False)")
    assert truth.match(built(wider)) is None


def test_encodings_of_one_network_share_their_mean():
    # The operation on the edge from 1 to 3 leads nowhere, as nothing reaches node 1.
    dead = [NB201.parse(f"|none~0|+|nor_conv_1x1~0|none~1|+|none~0|{op}~1|skip_connect~2|")
            for op in ("nor_conv_3x3", "none")]  # fmt: skip
    truth = Truth(NB201, [Network("a", dead[0], 0.8), Network("b", dead[1], 0.9)])
    assert truth.of(dead[0]).accuracy == pytest.approx(0.85)


def test_what_has_no_label_is_estimated():
    networks = [Network(str(i), e, 0.5 + 0.05 * sum(op == "nor_conv_3x3" for op in e.operations))
                for i, e in enumerate(NB201.sample(random.Random(i)) for i in range(400))]  # fmt: skip
    many = NB201.parse("|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|nor_conv_3x3~0|none~1|none~2|")
    truth = Truth(NB201, [n for n in networks if NB201.identity(n.encoding) != NB201.identity(many)])
    match = truth.of(many)
    assert match.accuracy is None and 0.4 < match.estimate < 0.9
    assert truth.quality["srcc"] > 0.3


def test_rows_by_name():
    assert [get_row(name).name for name in LOOP_ROWS] == list(LOOP_ROWS)
    assert get_row("cells-shuffled").generator_options("nb301") == {
        "guidance": "shuffled",
        "operations": ["swap_block"],
    }
    own = get_row("openai:model=m,proposals=3")
    assert (own.generator, own.options) == ("openai", {"model": "m", "proposals": 3})
    with pytest.raises(UserError, match="options of a generator are written name=value, not 'model'"):
        get_row("openai:model")
    blind = get_row("mutate:scores=shuffled,max_edits=2")
    assert (blind.generator, blind.options, blind.scores) == ("mutate", {"max_edits": 2}, "shuffled")
    assert own.scores == "true"


@pytest.mark.parametrize("kind", ["random", "evolution"])
def test_a_search_over_encodings_keeps_to_its_predictions(kind):
    def run(gain):
        return EncodingSearch(Numbers(), NUMBERS, BySize(), 8, 5, seed=1).run(kind, 50, gain=gain)

    seen, rounds = run(1.0)
    assert (len(seen), rounds, seen[0].encoding) == (41, 8, 50)
    assert run(1.0) == (seen, rounds)
    # A gain that any network passes ends it after the first round.
    seen, rounds = run(-1.0)
    assert (len(seen), rounds) == (6, 1)


def test_evolution_climbs_from_its_population():
    search = EncodingSearch(Numbers(), NUMBERS[:60], BySize(), 30, 8, seed=1)
    seen, _ = search.run("evolution", 50, gain=1.0)
    assert max(one.encoding for one in seen) > 65


def test_units_are_run_once_and_a_torn_line_is_dropped(tmp_path):
    family = Numbers()
    population = Population(family, (NUMBERS[50],), NUMBERS, 0.02, Truth(family, NUMBERS))
    settings = LoopSettings(networks=1, iterations=2, proposals=3)
    path = tmp_path / "units.jsonl"
    asked = []
    arguments = ([population], [get_row("random"), get_row("evolution")], settings, BySize())
    first = run_loop(*arguments, LoopRecords(path), lambda *unit: asked.append(unit))
    assert [unit[1:] for unit in asked] == [("random", 1, 2), ("evolution", 2, 2)]
    count = family.asked
    with path.open("ab") as file:
        file.write(b'{"unit": {"fam')
    assert run_loop(*arguments, LoopRecords(path), lambda *unit: asked.append(unit)) == first
    assert (len(asked), family.asked) == (2, count)
    assert len(path.read_text().splitlines()) == 2
    best = first[0]["best"]
    assert best["accuracy"] == int(best["identity"]) / 100
    assert first[0]["predicted_gain"] == pytest.approx((int(best["identity"]) - 50) / 100)


def test_a_damaged_line_is_named(tmp_path):
    path = tmp_path / "units.jsonl"
    path.write_text('{"unit": {}}\nnothing\n')
    with pytest.raises(UserError, match=r"units\.jsonl:2: not a unit"):
        LoopRecords(path)


def test_the_assistants_own_loop_is_a_unit(tmp_path):
    settings = LoopSettings(networks=1, iterations=1, proposals=3)
    (record,) = run_loop(
        [one_start()], [get_row("cells")], settings, make_predictor(), LoopRecords(tmp_path / "units.jsonl")
    )
    assert record["candidates"] == 3
    assert record["valid"] >= record["in_family"] >= record["labelled"]
    assert record["in_family"] >= 1
    assert not record["reached"] and record["iterations"] == 1
    json.dumps(tabulate([record]))


def test_a_generator_can_be_shown_other_scores(monkeypatch, tmp_path):
    shown = {}

    def watch(name):
        class Watching(MutateGenerator):
            def propose(self, request):
                shown[name] = [layer.weight for layer in request.relevance]
                return super().propose(request)

        return Watching()

    settings = LoopSettings(networks=1, iterations=1, proposals=2)
    rows = ["mutate:max_edits=1", "mutate:max_edits=1,scores=negated", "mutate:max_edits=1,scores=shuffled"]
    for text in rows:
        monkeypatch.setattr("nas_assistant.generators.get_generator", lambda *_, t=text, **__: watch(t))
        records = LoopRecords(tmp_path / "units.jsonl")
        (found,) = run_loop([one_start()], [get_row(text)], settings, make_predictor(), records)
        assert (found["unit"]["row"], found["candidates"]) == (text, 2)
    true, negated, shuffled = shown.values()
    assert negated == [-weight for weight in true]
    assert shuffled != true and sorted(shuffled) == sorted(true)


def test_a_unit_tells_why_candidates_were_turned_down(monkeypatch, tmp_path):
    class Broken(MutateGenerator):
        def propose(self, request):
            broken = [Proposal("class Network(:\n"), Proposal("class Network(\n")]
            return [*broken, *super().propose(request)][:3]

    monkeypatch.setattr("nas_assistant.generators.get_generator", lambda *_, **__: Broken())
    settings = LoopSettings(networks=1, iterations=1, proposals=3)
    records = LoopRecords(tmp_path / "units.jsonl")
    (found,) = run_loop([one_start()], [get_row("mutate")], settings, make_predictor(), records)
    assert found["failures"] == {"parse": 2} and (found["candidates"], found["valid"]) == (3, 1)


def test_a_row_without_trust_counts_the_whole_gain(monkeypatch, tmp_path):
    margins = []

    def watched(*arguments, **options):
        margins.append(options.get("familiarity_margin"))
        return improve(*arguments, **options)

    monkeypatch.setattr("nas_assistant.assistant.improve", watched)
    rows = [get_row("mutate"), get_row("mutate-no-trust")]
    settings = LoopSettings(networks=1, iterations=1, proposals=1)
    found = run_loop([one_start()], rows, settings, make_predictor(), LoopRecords(tmp_path / "units.jsonl"))
    # No familiarity can be lower than another by more than one.
    assert margins == [None, 1.0] and [one["candidates"] for one in found] == [1, 1]


def record(row, network, **values):
    best = values.pop("best", 0.8)
    match = None if best is None else {"identity": "x", "accuracy": best, "estimate": best}
    return {
        "unit": {"family": "nb201", "row": row, "network": network},
        "start": 0.7, "best_of_family": 0.95, "target_gain": 0.01, "seconds": 10.0, "iterations": 4,
        "reached": True, "predicted_gain": 0.02, "candidates": 8, "valid": 6, "changed": 7, "accepted": 2,
        "in_family": 3, "labelled": 2, "best": match, "tokens": None,
        "best_in_family": match or {"identity": "s", "accuracy": 0.7, "estimate": 0.7}, **values,
    }  # fmt: skip


def test_means_are_over_what_is_known():
    units = [
        record("mutate", "a"),
        record("mutate", "b", best=0.6, iterations=10, reached=False, accepted=0),
        record("mutate", "c", best=None),
    ]
    (row,) = tabulate(units)
    assert (row["networks"], row["max_outs"], row["true_networks"]) == (3, 1, 2)
    assert row["true_gain"] == pytest.approx(0.0)
    assert row["family_gain"] == pytest.approx(0.0)
    assert row["iterations"] == pytest.approx(6.0)
    assert (row["valid_rate"], row["in_family"]) == (0.75, 0.5)
    assert row["seconds"] == pytest.approx(7.5)
    assert row["tokens"] is None
    low, high = row["iterations_interval"]
    assert 4.0 <= low < 6.0 < high <= 10.0


def test_rows_are_compared_on_the_same_networks():
    units = [record("mutate", "a", iterations=3), record("mutate", "b", iterations=5)]
    units += [record("mutate-uniform", "a", iterations=4, best=None), record("mutate-uniform", "c")]
    (line,) = compare_rows(units, "mutate")
    assert (line["against"], line["networks"], line["iterations"]) == ("mutate-uniform", 1, -1.0)
    assert line["estimated_gain"] is None and line["estimated_gain_networks"] == 0


def test_a_family_without_source_is_refused():
    with pytest.raises(UserError, match="no loop over the family 'hiaml': choose of nb101, nb201, nb301"):
        load_population("hiaml", BySize(), LoopSettings())
