from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from nas_assistant.errors import ModelError, UserError
from nas_assistant.families import find_data_root
from nas_assistant.sources import Limits, Sandbox, inspect_model
from nas_assistant.sources._beside import Beside

NET = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3072, 10)

    def forward(self, x):
        return self.layer(x.flatten(1))
"""

CONV = """\
from torch import nn


class Net(nn.Module):
    def __init__(self, channels={channels}):
        super().__init__()
        self.conv = nn.Conv2d(channels, 4, 3)
        self.head = nn.Linear({features}, 10)

    def forward(self, x):
        return self.head(self.conv(x).flatten(1))
"""

LEMUR = """\
import torch
import torch.nn as nn


def supported_hyperparameters():
    return {"lr", "dropout"}


class Net(nn.Module):
    def __init__(self, in_shape, out_shape, prm, device):
        super().__init__()
        self.features = nn.Sequential(nn.Conv2d(in_shape[1], 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1))
        self.drop = nn.Dropout(prm["dropout"])
        self.head = nn.Linear(8, out_shape[0])
        self.to(device)

    def forward(self, x):
        return self.head(self.drop(self.features(x).flatten(1)))
"""


def test_a_module_class(write: Callable[..., Path], sandbox: Sandbox) -> None:
    path = write(NET)
    inspection = inspect_model(path, sandbox=sandbox)
    assert (inspection.entry, inspection.framework) == ("Net", "torch")
    assert (inspection.input_shape, inspection.output_shape) == ((3, 32, 32), (10,))
    assert inspection.graph.parameters == 30730
    assert any("3,32,32" in note and "--input-shape" in note for note in inspection.notes)
    dense = inspection.graph.weighted_nodes[-1]
    assert dense.created is not None and (dense.created.file, dense.created.line) == (str(path.resolve()), 8)
    assert dense.call is not None and dense.call.line == 11


def test_the_same_seed_gives_the_same_graph(write: Callable[..., Path], sandbox: Sandbox) -> None:
    path = write(NET)
    assert inspect_model(path, sandbox=sandbox).graph == inspect_model(path, sandbox=sandbox).graph


def test_an_entry_with_arguments(write: Callable[..., Path], sandbox: Sandbox) -> None:
    entry = "Net((1, 3, 32, 32), (10,), {'dropout': 0.2}, 'cpu')"
    inspection = inspect_model(write(LEMUR), entry=entry, sandbox=sandbox)
    assert inspection.entry == entry
    assert inspection.graph.parameters == 8 * 28 + 90


REAL = (
    "AirNet.py",
    "ga-221.py",
    "rag-4f6094b27997fbaa2943217801e4b066.py",
    "BagNet-7f792262-31cf-477e-a78a-3494c122332d.py",
    "FractalNet-b52beac18eebcdf680df85bfd9221d5f.py",
)


@pytest.mark.labels
@pytest.mark.parametrize("name", REAL)
def test_real_files(write: Callable[..., Path], sandbox: Sandbox, name: str) -> None:
    archive = find_data_root() / "lemur_models.zip"
    if not archive.is_file():
        pytest.skip(f"no {archive.name} in {archive.parent}")
    with zipfile.ZipFile(archive) as file:
        path = write(file.read(name).decode(), "model.py")
    with pytest.raises(ModelError, match=r"Net needs arguments: .*--entry"):
        inspect_model(path, sandbox=sandbox)
    entry = "Net((1, 3, 32, 32), (10,), {'lr': 0.01, 'momentum': 0.9, 'dropout': 0.2}, 'cpu')"
    inspection = inspect_model(path, entry=entry, sandbox=sandbox, limits=Limits(seconds=30))
    assert inspection.output_shape[-1] == 10
    assert all(node.created and node.created.file == str(path) for node in inspection.graph.weighted_nodes)


def test_source_stands_for_the_file(write: Callable[..., Path], sandbox: Sandbox) -> None:
    path = write(NET)
    inspection = inspect_model(path, source=NET.replace("10)", "7)"), sandbox=sandbox)
    assert inspection.output_shape == (7,)
    assert path.read_text() == NET


@pytest.mark.parametrize(
    ("channels", "features", "shape"),
    [(3, 4 * 30 * 30, (3, 32, 32)), (1, 4 * 26 * 26, (1, 28, 28)), (3, 4 * 222 * 222, (3, 224, 224))],
)
def test_the_input_shape_is_found(
    write: Callable[..., Path], sandbox: Sandbox, channels: int, features: int, shape: tuple[int, ...]
) -> None:
    path = write(CONV.format(channels=channels, features=features))
    inspection = inspect_model(path, sandbox=sandbox)
    assert inspection.input_shape == shape
    assert any(",".join(map(str, shape)) in note for note in inspection.notes)


@pytest.mark.parametrize("text", ["model = torch.compile(Net())\n", "model = nn.DataParallel(Net())\n"])
def test_wrappers_are_taken_off(write: Callable[..., Path], sandbox: Sandbox, text: str) -> None:
    graph = inspect_model(write(NET + text), sandbox=sandbox).graph
    assert graph.weighted_nodes[0].layer == "layer"


SCRIPTED = """

@torch.jit.{0}
def double(x):
    return x + x


class Twice(nn.Module):
    def __init__(self):
        super().__init__()
        self.net = {1}

    def forward(self, x):
        return double(self.net(x))

    @torch.jit.ignore
    def other(self, x):
        return x
"""


@pytest.mark.parametrize(
    ("decorator", "part"),
    [
        ("script", "Net()"),
        ("script_if_tracing", "torch.jit.script(Net())"),
        ("export", "torch.jit.trace(Net(), torch.zeros(1, 3072))"),
    ],
)
def test_what_torch_jit_compiles_is_read_through(
    write: Callable[..., Path], sandbox: Sandbox, decorator: str, part: str
) -> None:
    graph = inspect_model(write(NET + SCRIPTED.format(decorator, part)), sandbox=sandbox).graph
    assert [node.op.value for node in graph] == ["input", "reshape", "dense", "add", "output"]
    assert graph.nodes[2].created is not None and graph.nodes[2].created.line == 8


def test_a_model_of_which_no_operation_is_seen_is_refused(refused: Callable[..., ModelError]) -> None:
    for output in ("x", "torch.tensor(x.numpy())"):
        error = refused(NET.replace("self.layer(x.flatten(1))", output), train=False)
        assert (error.failure.kind, error.failure.line) == ("unsupported-op", 5)
        assert "Net: no layer or operation was seen between its input and its output" in str(error)


def test_two_inputs_are_told(refused: Callable[..., ModelError]) -> None:
    error = refused(NET.replace("forward(self, x)", "forward(self, x, y)"))
    assert error.failure.line == 10
    assert str(error) == (
        "model.py:10: Net takes 2 inputs (x, y), and only one is supported: "
        "wrap it in a class whose forward takes one, and name that with --entry"
    )


@pytest.mark.parametrize(
    ("statement", "parts"),
    [
        ("x, (y, *_) = x", "x, (y, *_)"),
        ("y = x['age']; x = x['image']", "x['age'], x['image']"),
        ("y = x[1]; x = torch.relu(x[0])", "x[1], x[0]"),
    ],
)
def test_inputs_that_are_packed_in_one_argument_are_told(
    refused: Callable[..., ModelError], statement: str, parts: str
) -> None:
    error = refused(NET.replace("        return", f"        {statement}\n        return"))
    assert error.failure.line == 10
    assert f"Net takes 2 inputs ({parts}), and only one is supported: wrap it" in str(error)
    assert "reads a part" not in str(error)


@pytest.mark.parametrize(
    "statement",
    [
        "with torch.no_grad():\n            x = (x, None)\n            x, y = x[0], x[1]",
        "for _ in range(2):\n            x = (x, None)\n            y = x[1]\n            x = x[0]",
        "if isinstance(x, dict):\n            x, y = x['image'], x['mask']",
        "pick = lambda x: x[0] + x[1]",
        "y = sum(x[0] * x[1] for x in [(1, 2)])",
    ],
)
def test_what_else_has_the_inputs_name_for_a_while_is_no_input(
    write: Callable[..., Path], sandbox: Sandbox, statement: str
) -> None:
    path = write(NET.replace("        return", f"        {statement}\n        return"))
    assert inspect_model(path, sandbox=sandbox).output_shape == (10,)


@pytest.mark.parametrize("statement", ["x = torch.relu(x); x[0], x[1]", "x[0]", "a, b = x.shape"])
def test_what_takes_no_input_apart_is_no_matter_of_inputs(
    write: Callable[..., Path], sandbox: Sandbox, statement: str
) -> None:
    path = write(NET.replace("        return", f"        {statement}\n        return"))
    assert inspect_model(path, input_shape=(3072,), sandbox=sandbox).output_shape == (10,)


def test_a_class_around_a_model_of_two_inputs_can_be_read(
    write: Callable[..., Path], sandbox: Sandbox
) -> None:
    around = """
class Same(nn.Module):
    def __init__(self):
        super().__init__()
        self.pair = Pair()

    def forward(self, x):
        return self.pair(x, x)
"""
    assert inspect_model(write(NET + PAIR + around), entry="Same", sandbox=sandbox).output_shape == (1,)


PAIR = """\

class Head(nn.Module):
    def __init__(self, width):
        super().__init__()
        self.layer = nn.Linear(width, 1)

    def forward(self, x):
        return self.layer(x)


class Pair(nn.Module):
    def __init__(self):
        super().__init__()
        self.head = Head(10)
        self.net = Net()

    def forward(self, first, second):
        return self.head(self.net(first) - self.net(second))
"""


def test_a_part_that_can_be_read_is_named(
    write: Callable[..., Path], refused: Callable[..., ModelError], sandbox: Sandbox
) -> None:
    error = refused(NET + PAIR)
    assert error.failure.line == 28
    assert str(error).endswith("name that with --entry; --entry Net reads a part of it")
    assert inspect_model(write(NET + PAIR), entry="Net", sandbox=sandbox).output_shape == (10,)


def test_a_layer_that_is_called_wrongly_is_no_matter_of_inputs(refused: Callable[..., ModelError]) -> None:
    error = refused(NET.replace("self.layer(x.flatten(1))", "self.layer()"))
    assert error.failure.line == 11
    assert "one input" not in str(error)


def test_a_plain_mlp_and_tokens(write: Callable[..., Path], sandbox: Sandbox) -> None:
    mlp = write("from torch import nn\nmodel = nn.Sequential(nn.Linear(20, 8), nn.ReLU(), nn.Linear(8, 2))\n")
    assert inspect_model(mlp, sandbox=sandbox).input_shape == (20,)
    tokens = write("from torch import nn\nmodel = nn.Sequential(nn.Embedding(9, 4), nn.Flatten())\n")
    assert inspect_model(tokens, sandbox=sandbox).output_shape == (64,)


MASKED = """\
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(9, 8, padding_idx={pad})
        layer = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.encoder = nn.TransformerEncoder(layer, 1)

    def forward(self, tokens):
        return self.encoder(self.table(tokens), src_key_padding_mask=tokens == {pad}).mean(1)
"""


@pytest.mark.parametrize("pad", [0, 1])
def test_tokens_are_not_padding(write: Callable[..., Path], sandbox: Sandbox, pad: int) -> None:
    inspection = inspect_model(write(MASKED.format(pad=pad)), sandbox=sandbox)
    assert (inspection.input_shape, inspection.output_shape) == ((16,), (8,))


def test_tokens_are_in_every_vocabulary(write: Callable[..., Path], sandbox: Sandbox) -> None:
    path = write("from torch import nn\nmodel = nn.Sequential(nn.Embedding(1, 4), nn.Flatten())\n")
    assert inspect_model(path, sandbox=sandbox).output_shape == (64,)


TABLE = """\
import torch
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(5, 4)
        self.norm = nn.BatchNorm1d(3)
        self.head = nn.Linear(7, 2)

    def forward(self, x):
        return self.head(torch.cat([self.table(x[:, 0].long()), self.norm(x[:, 1:])], 1))
"""


def test_floats_where_integers_do_not_run(
    write: Callable[..., Path], refused: Callable[..., ModelError], sandbox: Sandbox
) -> None:
    inspection = inspect_model(write(TABLE), input_shape=(4,), sandbox=sandbox)
    assert (inspection.input_shape, inspection.output_shape) == ((4,), (2,))
    error = refused(TABLE.replace("7, 2", "8, 2"), input_shape=(4,))
    assert error.failure.line == 13
    assert "fails on integers of shape 4: " in str(error)
    assert "; floats fail too: mat1 and mat2 shapes cannot be multiplied" in str(error)
    assert str(error).endswith("; --input-shape or --data gives another")


def test_input_shape_is_used_as_given(write: Callable[..., Path], sandbox: Sandbox) -> None:
    path = write(CONV.format(channels=3, features=4 * 18 * 22))
    inspection = inspect_model(path, input_shape=(3, 20, 24), sandbox=sandbox)
    assert inspection.input_shape == (3, 20, 24)
    assert inspection.notes == ()


def test_a_wrong_input_shape_names_shape_line_and_remedy(refused: Callable[..., ModelError]) -> None:
    error = refused(NET, input_shape=(3, 20, 20))
    assert error.failure.kind == "shape"
    assert error.failure.line == 11
    assert "3,20,20" in str(error) and "--input-shape" in str(error)


def test_a_shape_with_its_channels_last_is_turned_round(refused: Callable[..., ModelError]) -> None:
    error = refused(CONV.format(channels=3, features=4 * 30 * 30), input_shape=(32, 30, 3))
    assert str(error).endswith("; channels come first: --input-shape 3,32,30")


@pytest.mark.parametrize("shape", [(), (0, 3), (3, -1, 2), (10**9, 10**9)])
def test_an_impossible_input_shape(write: Callable[..., Path], shape: tuple[int, ...]) -> None:
    with pytest.raises(UserError, match=f"--input-shape {','.join(map(str, shape))}: "):
        inspect_model(write(NET), input_shape=shape)


def test_a_model_that_does_not_train_is_refused(refused: Callable[..., ModelError]) -> None:
    detached = refused(NET.replace("x.flatten(1))", "x.flatten(1)).detach()"))
    assert detached.failure.kind == "shape"
    assert "cannot be trained" in str(detached)
    in_place = refused(
        NET.replace("return self.layer(x.flatten(1))", "return torch.exp(self.layer(x.flatten(1))).mul_(2)")
    )
    assert "training step" in str(in_place)


IN_PLACE = """\
        y = torch.exp(self.layer(x.flatten(1)))
        y {} 2
        return y
"""


def test_an_operation_in_place_is_told_with_the_line_and_what_to_write(
    write: Callable[..., Path], refused: Callable[..., ModelError], sandbox: Sandbox
) -> None:
    before = NET[: NET.index("        return")]
    error = refused(before + IN_PLACE.format("/="))
    assert error.failure.line == 11 and str(error).startswith("model.py:11: a training step fails")
    assert "expected version 0 instead; an operation in place changes what" in str(error)
    assert "write output = output / norm for output /= norm" in str(error)
    assert "--input-shape" not in str(error)
    path = write(before + IN_PLACE.format("= y /"))
    assert inspect_model(path, sandbox=sandbox).output_shape == (10,)


def test_a_long_message_is_cut_between_words(refused: Callable[..., ModelError]) -> None:
    assert str(refused(NET + "raise ValueError('abcdef ' * 99)\n")).endswith("abcdef abcdef...")


def test_a_training_step_can_be_left_out(write: Callable[..., Path], sandbox: Sandbox) -> None:
    path = write(NET.replace("x.flatten(1))", "x.flatten(1)).detach()"))
    assert inspect_model(path, sandbox=sandbox, train=False).output_shape == (10,)


def test_siblings_are_imported_and_cannot_be_changed(
    write: Callable[..., Path], refused: Callable[..., ModelError], sandbox: Sandbox
) -> None:
    sibling = write(NET, "parts.py")
    assert inspect_model(write("from parts import Net\nmodel = Net()\n"), sandbox=sandbox).output_shape == (
        10,
    )
    error = refused(
        "from parts import Net\nmodel = Net()\nopen(__file__.replace('model', 'parts'), 'a').write('#')\n"
    )
    assert "Permission" in str(error)
    assert sibling.read_text() == NET


def test_relative_imports_in_a_package(tmp_path: Path, sandbox: Sandbox) -> None:
    package = tmp_path / "pack"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "parts.py").write_text(NET)
    (package / "model.py").write_text("from .parts import Net\nmodel = Net()\n")
    assert inspect_model(package / "model.py", sandbox=sandbox).output_shape == (10,)


@pytest.mark.parametrize(
    ("text", "words", "line"),
    [
        ("import nonsuch_package\n", "imports nonsuch_package", 12),
        ("import nonsuch_package\n", "install it beside nas-assistant, or move the model", 12),
        ("open('absent.npy')\n", "'absent.npy'; what does not build the model belongs under", 12),
        ("open('/etc/shadow')\n", "what does not build the model belongs under", 12),
        ("torch.save({}, __file__ + '.pth')\n", "what does not build the model belongs under", 12),
        ("raise ValueError('one\\ntwo')\n", "ValueError: one", 12),
        ("import sys\nsys.exit(0)\n", "SystemExit", 13),
        ("import os\nos.environ['KEY']\n", "KeyError: 'KEY' (the sandbox hides environment variables)", 13),
        ("Net().cuda()\n", "models are built without a GPU", 12),
        ("torch.jit.script(Net()).save('net.pt')\n", "torch.jit compiles nothing here", 12),
        ("torch.jit.freeze(torch.jit.script(Net().eval()))\n", "torch.jit compiles nothing here", 12),
        ("Net = [Net]\n", "type list, not an nn.Module or a keras.Model", 12),
        ("del Net\n", "defines no 'Net'", None),
    ],
)
def test_failures_while_the_model_is_made(
    refused: Callable[..., ModelError], text: str, words: str, line: int | None
) -> None:
    error = refused(NET + text, entry="Net")
    assert error.failure.kind == "import"
    assert words in str(error)
    assert error.failure.line == line


def test_a_file_that_the_constructor_misses_is_no_matter_of_main(refused: Callable[..., ModelError]) -> None:
    error = refused(NET.replace("nn.Linear(3072, 10)", "open('absent.pt')"))
    assert "FileNotFoundError" in str(error) and "__main__" not in str(error)


def test_a_fault_in_the_constructor_tells_its_line(refused: Callable[..., ModelError]) -> None:
    error = refused(NET.replace("nn.Linear(3072, 10)", "nn.Linear(3072)"))
    assert (error.failure.kind, error.failure.line) == ("import", 8)


ARGUMENTS = "def __init__(self, depth, *, classes: int = 10, act=None):"


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ("Net(name='x')", "Net has no argument 'name'; Net takes: "),
        ("Net(3, clases=2)", "Net has no argument 'clases', did you mean 'classes'? Net takes: "),
        ("Net(act=2)", "Net: missing a required argument: 'depth'; Net takes: "),
        ("Net(1, 2)", "Net: too many positional arguments; Net takes: "),
    ],
)
def test_arguments_that_do_not_fit_are_told_with_those_that_there_are(
    refused: Callable[..., ModelError], call: str, words: str
) -> None:
    error = refused(NET.replace("def __init__(self):", ARGUMENTS), entry=call)
    assert (error.failure.kind, error.failure.line) == ("import", 6)
    assert str(error) == f"model.py:6: {words}depth, *, classes=10, act=None"


def test_an_argument_that_is_among_the_others_is_not_unknown(refused: Callable[..., ModelError]) -> None:
    taken = "def __init__(self, depth, scale=torch.arange(40), **options):"
    error = refused("import torch\n" + NET.replace("def __init__(self):", taken), entry="Net(width=3)")
    assert str(error).endswith(
        "Net: missing a required argument: 'depth'; Net takes: depth, scale=..., **options"
    )


def test_an_argument_that_the_constructor_passes_on_is_told_to_be_of_the_entry(
    refused: Callable[..., ModelError],
) -> None:
    taken = "def __init__(self, **options):\n        (lambda width=1: width)(**options)"
    error = refused(NET.replace("def __init__(self):", taken), entry="Net(widht=3)")
    assert error.failure.line == 7
    assert str(error).startswith("model.py:7: Net passes on 'widht' of --entry: ")
    assert "unexpected keyword argument 'widht'" in str(error)


def test_arguments_that_a_function_or_a_constructor_does_not_take(refused: Callable[..., ModelError]) -> None:
    text = NET + "\n\ndef build(n=1):\n    return Net(n)\n"
    assert str(refused(text, entry="build(m=1)")).startswith("model.py:14: build has no argument 'm'")
    assert str(refused(text, entry="build()")).startswith("model.py:15: TypeError: ")
    assert str(refused(NET, entry="Net(1)")).endswith("Net takes: nothing")


def test_what_needs_arguments_and_no_text_shows_to_be_a_model(refused: Callable[..., ModelError]) -> None:
    error = refused(NET + "\n\ndef pick(n):\n    return [Net()][n]\n", entry="pick")
    assert str(error) == (
        "model.py:14: pick: missing a required argument: 'n'; pick takes: n; "
        "add a function without arguments that returns the model, and name it with --entry"
    )


def test_what_gives_no_model_is_told_with_the_models(refused: Callable[..., ModelError]) -> None:
    error = refused(NET + "\n\ndef pick():\n    return 3\n", entry="pick")
    assert error.failure.line == 14
    assert str(error) == (
        "model.py:14: pick gives an object of type int, not an nn.Module or a keras.Model; "
        "the file's models: Net (line 5)"
    )


def test_a_file_sees_no_arguments(write: Callable[..., Path], sandbox: Sandbox) -> None:
    text = "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('--lr', default=0.1)\n"
    path = write(NET + text + "assert vars(parser.parse_args()) == {'lr': 0.1}\n")
    assert inspect_model(path, sandbox=sandbox).output_shape == (10,)


def test_the_file_is_not_run_as_main(write: Callable[..., Path], sandbox: Sandbox) -> None:
    inspect_model(write(NET + "if __name__ == '__main__':\n    raise SystemExit(1)\n"), sandbox=sandbox)


def package(folder: Path, **files: str) -> Path:
    """A package ``pkg`` with these modules."""
    (folder / "pkg").mkdir()
    for name, text in files.items():
        (folder / "pkg" / f"{name}.py").write_text(text)
    return folder / "pkg"


def test_a_package_whose_init_has_the_model_too(tmp_path: Path, sandbox: Sandbox) -> None:
    text = "from .blocks import Flat\nfrom .blocks import WIDTH as OUT\n" + NET.replace("10)", "OUT)")
    blocks = "from torch.nn import Flatten as Flat\nWIDTH = 10\n"
    path = package(tmp_path, __init__="from .net import Net\n", blocks=blocks, net=text) / "net.py"
    assert inspect_model(path, sandbox=sandbox).output_shape == (10,)
    # The package's own import gets the candidate's text as well.
    candidate = text.replace("OUT)", "7)") + "import pkg\nassert pkg.Net is Net\n"
    candidate = (
        candidate.replace("assert", "def test():\n    assert")
        + "def build():\n    test()\n    return Net()\n"
    )
    assert inspect_model(path, source=candidate, entry="build", sandbox=sandbox).output_shape == (7,)


def test_an_init_that_fails_is_no_matter_of_a_file_that_does_not_need_it(
    tmp_path: Path, sandbox: Sandbox
) -> None:
    path = package(tmp_path, __init__="import nonsuch_package\n", net=NET) / "net.py"
    assert inspect_model(path, sandbox=sandbox).output_shape == (10,)


def test_a_package_can_be_its_own_file(tmp_path: Path, sandbox: Sandbox) -> None:
    path = package(tmp_path, __init__="from .net import Net\nmodel = Net()\n", net=NET) / "__init__.py"
    assert inspect_model(path, sandbox=sandbox).output_shape == (10,)


def test_a_module_beside_it_that_fails_is_named(tmp_path: Path, sandbox: Sandbox) -> None:
    broken = NET + "\nprint(absent)\n"
    package(
        tmp_path, __init__="from .net import Net\n", net=broken, net2="from .net import Net\nmodel = Net()\n"
    )
    with pytest.raises(ModelError, match=r"^net.py:13: NameError"):
        inspect_model(tmp_path / "pkg" / "net2.py", sandbox=sandbox)


def test_what_stands_beside_the_file_is_read_and_never_written(
    write: Callable[..., Path], sandbox: Sandbox
) -> None:
    kept = write("10", "sizes.txt")
    (kept.parent / "runs").mkdir()
    deep = write("7", "runs/best.txt")
    writes = """
import logging, os
logging.basicConfig(filename="train.log", force=True)
logging.warning("begun")
open("sizes.txt", "w").write("11")
os.makedirs("runs/2", exist_ok=True)
open("runs/2/log", "w").write("x")
open("runs/best.txt", "a").write("9")
open("sizes.txt", "r+").write("8")
import shutil, torch
torch.save({}, "old.pt")
torch.save({}, "runs/new.pt")
shutil.rmtree("runs")
"""
    write("weights", "old.pt")
    write("old\n", "train.log")
    text = (
        NET.replace("10)", "SIZE)") + "SIZE = int(open('sizes.txt').read() + open('runs/best.txt').read())\n"
    )
    path = write(text + writes)
    assert inspect_model(path, sandbox=sandbox).output_shape == (107,)
    assert (kept.read_text(), deep.read_text()) == ("10", "7")
    assert path.with_name("train.log").read_text() == "old\n"
    assert path.with_name("old.pt").read_text() == "weights"
    assert sorted(item.name for item in deep.parent.iterdir()) == ["best.txt"]


@pytest.mark.parametrize("links", [False, True])
def test_what_is_large_is_linked_only_where_nothing_can_be_written_there(tmp_path: Path, links: bool) -> None:
    user, scratch = tmp_path / "user", tmp_path / "scratch"
    (user / "many").mkdir(parents=True)
    scratch.mkdir()
    for number in range(100):
        (user / "many" / f"{number}.txt").touch()
    (user / "large.bin").write_bytes(bytes(3 * 2**20))
    (user / "model.py").touch()
    (user / "small.txt").write_text("1")
    Beside(links=links).bring(user / "model.py", scratch)
    found = {item.name: item.is_symlink() for item in scratch.iterdir()}
    assert found == {"small.txt": False} | ({"large.bin": True, "many": True} if links else {})


def test_of_more_than_can_be_brought_the_rest_stays_away(tmp_path: Path) -> None:
    user, scratch = tmp_path / "user", tmp_path / "scratch"
    scratch.mkdir()
    for folder, names in {"nas-runs/first": 1, **{f"train/{number:02}": 60 for number in range(20)}}.items():
        (user / folder).mkdir(parents=True)
        for number in range(names):
            (user / folder / f"{number}.txt").touch()
    Beside(links=False).bring(user / "model.py", scratch)
    assert [item.name for item in scratch.iterdir()] == ["train"]
    assert 900 < len(list(scratch.rglob("*.txt"))) <= 1_024


LAYOUT = """\
from torch import nn
from lib.utils import count
from src.blocks import Block


class Net(Block):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(3072, count())

    def forward(self, x):
        return self.layer(x.flatten(1))
"""


def layout(folder: Path) -> Path:
    """``src/model.py`` that imports from the root of its repository."""
    for name, text in {
        "lib/utils.py": "def count():\n    return 10\n",
        "lib/secret.txt": "secret",
        "src/blocks.py": "from torch import nn\nclass Block(nn.Module):\n    def forward(self, x): ...\n",
        "src/model.py": LAYOUT,
    }.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return folder / "src" / "model.py"


def test_a_repository_is_imported_from_the_working_directory(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = layout(tmp_path)
    with pytest.raises(ModelError, match=r"imports lib.*start nas-assistant in .*, which has it"):
        inspect_model(path, entry="Net", sandbox=sandbox)
    monkeypatch.chdir(tmp_path)
    assert inspect_model(Path("src/model.py"), sandbox=sandbox).output_shape == (10,)
    relative = LAYOUT.replace("src.blocks", ".blocks")
    assert inspect_model(Path("src/model.py"), source=relative, sandbox=sandbox).output_shape == (10,)
    with pytest.raises(ModelError, match="PermissionError"):
        reads = LAYOUT + "open(__file__.replace('src/model.py', 'lib/secret.txt'))\n"
        inspect_model(Path("src/model.py"), source=reads, sandbox=sandbox)


def test_a_folder_that_is_looked_in_already_is_no_remedy(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = layout(tmp_path)
    for line in ("from .missing import Block", "import lib.missing"):
        with pytest.raises(ModelError, match=r"imports .*missing.*install it beside nas-assistant"):
            inspect_model(path, source=f"{NET}{line}\n", sandbox=sandbox)


@pytest.mark.parametrize("folder", [".", "elsewhere"])
def test_a_file_of_a_run_is_to_be_put_back(
    tmp_path: Path, sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, folder: str
) -> None:
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / folder)
    path = tmp_path / "runs" / "net" / "best.py"
    path.parent.mkdir(parents=True)
    path.write_text(NET + "from .layers import Block\n")
    path.with_name("config.json").write_text('{"model": "src/model.py"}')
    with pytest.raises(ModelError, match=r"^best.py:12: .*; copy it over src/model.py first"):
        inspect_model(path, sandbox=sandbox)
    path.with_name("config.json").write_text('{"model": "resnet18"}')
    with pytest.raises(ModelError, match=r"^best.py:12: (?!.*copy it)"):
        inspect_model(path, sandbox=sandbox)


RECURRENT = """\
from torch import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.lstm = nn.LSTM(9, 16, batch_first=True)
        self.head = nn.Linear(16, 6)

    def forward(self, x):
        _, (h, _) = self.lstm({})
        return self.head(h[-1])
"""


@pytest.mark.parametrize(("read", "shape"), [("x", (16, 9)), ("x.permute(0, 2, 1)", (9, 128))])
def test_series_are_tried_either_way_round(
    write: Callable[..., Path], sandbox: Sandbox, read: str, shape: tuple[int, ...]
) -> None:
    assert inspect_model(write(RECURRENT.format(read)), sandbox=sandbox).input_shape == shape


def test_data_of_other_channels_is_told(refused: Callable[..., ModelError]) -> None:
    error = refused(CONV.format(channels=3, features=144), data="digits")
    assert "; the model takes 3 channels, the data have 1: give --entry or --data so that" in str(error)
    error = refused(CONV.format(channels=1, features=9), data="digits")
    assert "an input of shape 1,8,8" in str(error) and "; the data have this shape: give" in str(error)


def test_a_choice_among_several_is_noted(write: Callable[..., Path], sandbox: Sandbox) -> None:
    path = write(NET + "\n\nclass ConvBN(nn.Module): ...\n")
    note = inspect_model(path, sandbox=sandbox).notes[0]
    assert note == "model Net, as the others look like parts; set --entry for another: ConvBN (line 14)"
    assert not any("--entry" in note for note in inspect_model(path, entry="Net", sandbox=sandbox).notes)


def test_magics_of_a_notebook_do_nothing(write: Callable[..., Path], sandbox: Sandbox) -> None:
    text = "get_ipython().run_line_magic('matplotlib', 'inline')\nget_ipython().system('pip install x')\n"
    assert inspect_model(write(NET + text), sandbox=sandbox).output_shape == (10,)
    asks = "try:\n    get_ipython()\n    model = None\nexcept NameError:\n    model = Net()\n"
    assert inspect_model(write(NET + asks), entry="model", sandbox=sandbox).output_shape == (10,)


def test_training_at_every_build_is_noted(write: Callable[..., Path], sandbox: Sandbox) -> None:
    path = write(NET + "model = Net()\nmodel(torch.ones(1, 3072)).sum().backward()\n")
    (note,) = (note for note in inspect_model(path, sandbox=sandbox).notes if "seems to train" in note)
    assert note.startswith("model.py:13: ") and note.endswith('put it under if __name__ == "__main__"')
