from __future__ import annotations

import xml.etree.ElementTree as ElementTree

import pytest
import torch

from nas_assistant.errors import UserError
from nas_assistant.graphs import ComputationalGraph, GraphBuilder, Location, Operation, read_torch
from nas_assistant.graphs._draw import to_dot, to_svg
from nas_assistant.graphs._layout import layered

from .conftest import torch_example

SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture(scope="module")
def graph():
    return read_torch(torch_example("inception"), torch.zeros(1, 3, 32, 32))


@pytest.fixture
def hostile():
    builder = GraphBuilder("torch", 'a"b\\c <&> net')
    x = builder.add(Operation.INPUT, output_shape=(3,))
    place = Location('C:\\x"y<z>.py', 3)
    x = builder.add(
        Operation.OTHER, [x], output_shape=(3,), layer='l"]; evil [<&', detail="<b>\n", call=place
    )
    return builder.build([x])


def test_json_is_read_back(tmp_path, graph):
    path = tmp_path / "graph.json"
    graph.save(path)
    assert ComputationalGraph.load(path) == graph
    assert ComputationalGraph.from_file(path) == graph
    assert [p.name for p in tmp_path.iterdir()] == ["graph.json"]


def test_dot_has_every_node_and_edge(tmp_path, graph):
    graph.save(tmp_path / "graph.dot")
    text = (tmp_path / "graph.dot").read_text()
    assert text.count(" -> ") == len(graph.edges)
    assert text.count("fillcolor=") == len(graph)


def test_svg_has_a_box_and_a_hint_for_every_node(graph):
    root = ElementTree.fromstring(to_svg(graph))
    groups = root.findall(f"{SVG}g")
    assert len(groups) == len(graph)
    assert len(root.findall(f"{SVG}path")) == len(set(graph.edges))
    conv = groups[1]
    assert "multiply-accumulates" in conv.find(f"{SVG}title").text
    assert conv.findall(f"{SVG}text")[0].text == "conv 3x3"


def test_boxes_do_not_overlap_and_stay_inside(graph):
    root = ElementTree.fromstring(to_svg(graph))
    boxes = [g.find(f"{SVG}rect") for g in root.findall(f"{SVG}g")]
    corners = [tuple(float(b.get(k)) for k in ("x", "y", "width", "height")) for b in boxes]
    for i, (x, y, w, h) in enumerate(corners):
        assert x >= 0
        assert x + w <= float(root.get("width"))
        assert y >= 0
        assert y + h <= float(root.get("height"))
        for x2, y2, w2, h2 in corners[:i]:
            assert x + w <= x2 or x2 + w2 <= x or y + h <= y2 or y2 + h2 <= y


def test_every_node_is_below_what_it_reads_and_long_edges_pass_beside_boxes():
    inputs = [[], [0], [1], [2], [3, 0]]
    layout = layered(inputs, node_width=100, lane_width=10, row_height=50)
    for target, sources in enumerate(inputs):
        for source in sources:
            assert layout.nodes[source][1] < layout.nodes[target][1]
    bends = layout.edges[0, 4]
    assert len(bends) == 3
    for (x, y), node in zip(bends, layout.nodes[1:4], strict=True):
        assert y == node[1]
        assert abs(x - node[0]) >= 55


def test_names_cannot_break_out_of_a_drawing(hostile):
    ElementTree.fromstring(to_svg(hostile))
    dot = to_dot(hostile)
    inside = False
    for index, character in enumerate(dot):
        if character == '"' and (len(dot[:index]) - len(dot[:index].rstrip("\\"))) % 2 == 0:
            inside = not inside
        assert inside or character not in "<&"
    assert not inside
    assert "\n]" not in dot


@pytest.mark.parametrize("suffix", [".onnx", ".png", ""])
def test_another_kind_of_file_is_refused_with_the_kinds_there_are(tmp_path, graph, suffix):
    with pytest.raises(UserError, match=r"\.json, \.dot or \.svg") as raised:
        graph.save(tmp_path / f"graph{suffix}")
    assert "\n" not in str(raised.value)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_written_is_one_line(tmp_path, graph):
    with pytest.raises(UserError, match="cannot be written"):
        graph.save(tmp_path / "missing" / "graph.json")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, "no such file"),
        (b"", "not a JSON file"),
        (b'{"format": 1,', "not a JSON file"),
        (b"\xff\xfe\x00", "not UTF-8"),
        (b"[" * 100_000, "nested too deeply"),
        (b'{"format": 1, "nodes": [{"op": "warp"}]}', "nodes.0.op"),
        (b"17", "not a graph"),
    ],
)
def test_a_file_that_is_no_graph_is_one_line_with_its_name(tmp_path, content, message):
    path = tmp_path / "graph.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=message) as raised:
        ComputationalGraph.load(path)
    assert "graph.json" in str(raised.value)
    assert "\n" not in str(raised.value)
