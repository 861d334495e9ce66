from __future__ import annotations

from pathlib import Path

import pytest

from nas_assistant.errors import ModelError, UserError
from nas_assistant.sources import choose_entry, find_entries, parse_entry, read_source
from nas_assistant.sources._choose import choice_note
from nas_assistant.sources._source import parse_source
from nas_assistant.sources._top_level import training_line

TORCH = "import torch\nfrom torch import nn\n"
BLOCK = "class Block(nn.Module):\n    def __init__(self, width):\n        self.width = width\n"
NET = "class Net(nn.Module):\n  def __init__(self):\n    self.block = Block(3)\n  def forward(self, x): ...\n"


def outermost(source: str) -> list[str]:
    return [entry.name for entry in find_entries(source, "model.py") if entry.outermost]


def chosen(source: str, entry: str | None = None) -> str:
    return choose_entry(source, "model.py", find_entries(source, "model.py"), entry).name


@pytest.mark.parametrize(
    ("source", "names"),
    [
        (TORCH + BLOCK + NET, ["Net"]),
        ("import torch.nn\n\nclass A(torch.nn.Module): ...\n", ["A"]),
        (TORCH + "class A(torch.jit.ScriptModule): ...\n", ["A"]),
        (TORCH + "@torch.jit.interface\nclass A(nn.Module): ...\nclass B(nn.Module): ...\n", ["B"]),
        ("from torch.nn import *\n\nclass A(Module): ...\n", ["A"]),
        (TORCH + "Base = nn.Module\nclass A(Base): ...\n", ["A"]),
        (
            TORCH + "try:\n  import x as pl\n  L = pl.Module\nexcept ImportError:\n  L = nn.Module\n"
            "class A(L): ...\n",
            ["A"],
        ),
        (TORCH + "X = Y\nY = X\nclass A(nn.Module): ...\nclass B(X): ...\n", ["A"]),
        (
            "from torch.nn import Module as M\n\nclass A(M): ...\nclass B(A):\n  def forward(self, x): ...\n",
            ["B"],
        ),
        (TORCH + BLOCK + NET + "model = Net()\n", ["model"]),
        (TORCH + BLOCK + NET + "model = Net().to('cpu').eval()\n", ["model"]),
        (
            TORCH + "class A(nn.Module):\n  def __init__(self, width): ...\n  @classmethod\n"
            "  def small(cls):\n    made = cls(3).eval()\n    return made\nmodel = A.small()\n",
            ["model"],
        ),
        (
            TORCH + "class A(nn.Module):\n  def __init__(self): ...\n  @classmethod\n"
            "  def count(cls): return sum(p.numel() for p in cls().parameters())\nSIZE = A.count()\n",
            ["A"],
        ),
        (
            TORCH + BLOCK + NET + "model = Net()\nmodel = nn.DataParallel(model)\nmodel = model.to(0)\n",
            ["model"],
        ),
        (TORCH + BLOCK + NET + "def build():\n    return Net()\n", ["build"]),
        (TORCH + BLOCK + NET + "def build(depth):\n    return Net()\n", ["Net"]),
        (TORCH + BLOCK + NET + "def build():\n    net = Net()\n    return net\nmodel = build()\n", ["model"]),
        (TORCH + "model = nn.Sequential(nn.Linear(3, 4))\n", ["model"]),
        (
            TORCH + "def create_model():\n    layers = []\n    return nn.Sequential(*layers)\n",
            ["create_model"],
        ),
        (TORCH + "def supported_hyperparameters():\n    return {'lr'}\n" + BLOCK + NET, ["Net"]),
        (TORCH + BLOCK + NET + "if __name__ == '__main__':\n    model = Net()\n", ["Net"]),
        (TORCH + NET + "class HingeLoss(nn.Module): ...\n", ["Net"]),
        (TORCH + BLOCK + "class R(nn.Module):\n  def __init__(s, b): ...\nm = R(Block)\n", ["m"]),
        ("import keras\nmodel = keras.Sequential([])\n", ["model"]),
        ("from tensorflow import keras\nclass A(keras.Model): ...\n", ["A"]),
        ("import tensorflow as tf\nclass A(tf.keras.models.Model): ...\n", ["A"]),
        (
            "from keras import Input, Model, layers\ni = Input((3,))\no = layers.Dense(2)(i)\n"
            "model = Model(i, o)\n",
            ["model"],
        ),
        (
            "import keras\nclass L(keras.layers.Layer): ...\nbase = keras.Sequential([L()])\n"
            "model = keras.Sequential([base])\n",
            ["model"],
        ),
        ("import keras\ndef f() -> 'keras.Model':\n    return thing\n", ["f"]),
        ("x = 1\n", []),
    ],
)
def test_outermost_models(source: str, names: list[str]) -> None:
    assert outermost(source) == names


LIBRARY = """\
import transformers
from torch import nn

class Config(transformers.PretrainedConfig): ...
class Layer(nn.Module):
  def __init__(self, dim): ...
class Pre(transformers.PreTrainedModel):
  def __init__(self, config, width): ...
class Model(Pre):
  def __init__(self, config): self.layer = Layer(3)
  @transformers.can_return_tuple
  def forward(self, x): ...
class Classifier(Pre):
  def forward(self, x): Model(self.config)
"""


@pytest.mark.parametrize(
    "use",
    [
        "x = part(inputs)\nfor _ in range(2):\n  x = layers.Dense(4)(x)\nmodel = keras.Model(inputs, x)\n",
        "for _ in range(2):\n  x, y = part(x), 0\nz = 1 + x\nmodel = keras.Model(inputs, outputs=[z])\n",
        "model = keras.Sequential([part, layers.Dense(4)])\n",
        "model = keras.Sequential()\nmodel.add(layers.Dense(4))\nmodel.add(part)\n",
        "model = keras.Sequential()\nmodel.head = part\n",
    ],
)
def test_what_another_model_of_the_module_uses_is_a_part(use: str) -> None:
    source = "import keras\nfrom keras import layers\nx = inputs = keras.Input((4,))\n"
    source += f"part = keras.Sequential([layers.Dense(4)])\n{use}y = model(part(x))\nx = model(x)\n"
    assert outermost(source) == ["model"]


def test_a_model_that_is_only_tried_is_no_part() -> None:
    source = TORCH + NET + "a = Net()\ny = a(x)\nb = nn.Sequential(nn.Linear(3, 4))\nz = a(b(y))\n"
    assert outermost(source) == ["a", "b"]


def test_a_model_may_come_of_a_class_of_another_library() -> None:
    assert outermost(LIBRARY) == ["Classifier"]
    assert outermost(LIBRARY + "def build():\n  return Classifier(Config(), 3)\n") == ["build"]
    for entry in ("Classifier", None):
        with pytest.raises(ModelError, match=r"^model.py:13: Classifier needs arguments: config, width; add"):
            chosen(LIBRARY, entry)


@pytest.mark.parametrize(
    "other",
    [
        "from abc import ABC\nclass A(ABC):\n  def forward(self, x): ...\n",
        "class A(torch.autograd.Function):\n  @staticmethod\n  def forward(ctx, x): ...\n",
        "import ops\nclass A(ops.Function):\n  @staticmethod\n  def forward(ctx, x): ...\n",
        "import ops\nclass A(ops.Config):\n  def call(self, x): ...\n",
        "class A:\n  def forward(self, x): ...\n",
    ],
)
def test_what_runs_forward_and_is_no_module(other: str) -> None:
    assert outermost(TORCH + NET + other) == ["Net"]


def test_a_class_of_a_sibling_is_a_module_where_its_own_base_may_be(tmp_path: Path) -> None:
    (tmp_path / "parts.py").write_text("import lib\nclass Plain: ...\nclass Open(lib.Base): ...\n")
    text = TORCH + "import parts\nfrom parts import {0}\nclass A({1}):\n  def forward(self, x): ...\n"
    for base, found in (("Plain", []), ("Open", ["A"])):
        for written in (base, f"parts.{base}"):
            entries = find_entries(text.format(base, written), tmp_path / "model.py")
            assert [entry.name for entry in entries] == found


def test_entry_tells_kind_line_arguments_and_framework() -> None:
    entries = find_entries(TORCH + BLOCK + NET, "model.py")
    assert [(e.name, e.kind, e.line, e.required_arguments, e.framework, e.outermost) for e in entries] == [
        ("Net", "class", 6, (), "torch", True),
        ("Block", "class", 3, ("width",), "torch", False),
    ]


def test_framework_of_keras() -> None:
    (entry,) = find_entries("from tensorflow.keras import Sequential\nm = Sequential()\n", "model.py")
    assert entry.framework == "keras"


def test_nothing_is_executed(tmp_path: Path) -> None:
    marker = tmp_path / "ran"
    find_entries(f"open({str(marker)!r}, 'w')\n", tmp_path / "model.py")
    assert not marker.exists()


def test_models_imported_from_a_sibling(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text(TORCH + NET.replace("Block(3)", "1"))
    source = "from nets import Net\nmodel = Net()\n"
    (entry,) = find_entries(source, tmp_path / "model.py")
    assert (entry.name, entry.framework) == ("model", "torch")


def test_the_framework_of_what_only_a_run_can_tell_is_that_of_a_sibling(tmp_path: Path) -> None:
    (tmp_path / "nets.py").write_text("import keras\n\n\ndef parts(n): ...\n")
    source, path = "from nets import parts\nmodel = parts(3)\n", tmp_path / "model.py"
    assert choose_entry(source, path, find_entries(source, path), "model").framework == "keras"


def test_two_models_are_listed_with_their_lines() -> None:
    source = TORCH + "class A(nn.Module): ...\n\nclass B(nn.Module): ...\n"
    with pytest.raises(ModelError, match=r"model.py holds 2 models: A \(line 3\), B \(line 5\); .*--entry"):
        chosen(source)
    assert chosen(source, "B") == "B"


def test_a_model_is_listed_with_the_arguments_that_it_needs() -> None:
    made = "nn.Sequential(nn.Linear(3, 4))"
    source = TORCH + f"def make(name, *, width, depth=2): return {made}\ndef net(): return {made}\n"
    with pytest.raises(ModelError, match=r"2 models: make\(name, width\) \(line 3\), net \(line 4\); choose"):
        chosen(source)


def test_a_block_beside_a_model_is_not_a_second_model() -> None:
    assert chosen(TORCH + "class ResBlock(nn.Module): ...\nclass B(nn.Module): ...\n") == "B"
    assert chosen(TORCH + "class ResBlock(nn.Module): ...\n") == "ResBlock"


@pytest.mark.parametrize("name", ["ConvNet", "ConvMixer", "ConvGRU", "ConvNeXt", "PoolFormer", "NormFreeNet"])
def test_a_network_named_after_its_layers_is_a_model(name: str) -> None:
    source = TORCH + f"class {name}(nn.Module): ...\nclass B(nn.Module): ...\n"
    with pytest.raises(ModelError, match=f"holds 2 models: {name}"):
        chosen(source)
    assert chosen(source + f"if __name__ == '__main__':\n    print({name}())\n") == name


@pytest.mark.parametrize(
    "name",
    [
        "ConvBlock",
        "ConvBN",
        "ConvBNReLU",
        "Conv2dSame",
        "Conv3x3",
        "Conv_BN_ReLU6",
        "LayerNorm2d",
        "GlobalPool",
    ],
)
def test_a_choice_by_names_alone_is_told(name: str) -> None:
    source = TORCH + f"class {name}(nn.Module): ...\nclass B(nn.Module): ...\n"
    assert chosen(source) == "B"
    note = choice_note(source, "model.py", find_entries(source, "model.py"))
    assert note == f"model B, as the others look like parts; set --entry for another: {name} (line 3)"


def test_one_obvious_model_needs_no_telling() -> None:
    parts = TORCH + "class ConvBN(nn.Module): ...\nclass B(nn.Module): ...\n"
    for source in (TORCH + NET, TORCH + BLOCK + NET, parts + "if __name__ == '__main__':\n    print(B())\n"):
        assert choice_note(source, "model.py", find_entries(source, "model.py")) is None


GATE = "class Gate(nn.Module):\n  def __init__(self, dim): ...\n"


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", "unit = lambda i, o: nn.Sequential(nn.Conv2d(i, o, 3), Gate(o))\n"),
        ("", "PARTS = {'conv': nn.Conv2d}\nPARTS['gate'] = Gate\n"),
        ("", "def unit(width):\n  layers = [Gate(width)]\n  return layers\n"),
        ("def register(name): ...\n@register('gate')\n", ""),
        ("class Registry: ...\nPARTS = Registry()\n@PARTS.register\n", "@PARTS.register\n"),
    ],
)
def test_what_needs_arguments_and_is_used_is_a_part(before: str, after: str) -> None:
    source = TORCH + before + GATE + after + "class A(nn.Module): ...\n"
    assert chosen(source) == "A"
    line = source[: source.index("class Gate")].count("\n") + 1
    note = choice_note(source, "model.py", find_entries(source, "model.py"))
    others = f"Gate(dim) (line {line})"
    assert note is not None and note.endswith(f"look like parts; set --entry for another: {others}")


@pytest.mark.parametrize(
    "use",
    [
        "",
        "def test():\n  Gate(3)\n",
        "import keras\n@keras.saving.register_keras_serializable()\nclass B(nn.Module): ...\n",
        "PARTS = [A, Gate]\n",
    ],
)
def test_what_is_not_a_part_for_certain_stays_a_model(use: str) -> None:
    with pytest.raises(ModelError, match=r"holds \d models: .*Gate"):
        chosen(TORCH + GATE + "class A(nn.Module): ...\n" + use)


def test_no_model_but_one_in_a_module_that_is_imported(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(TORCH + NET)
    source = "from .net import Net\n"
    with pytest.raises(
        ModelError, match=r"__init__.py: no model found: it imports from net.py, which has one"
    ):
        choose_entry(source, tmp_path / "__init__.py", find_entries(source, tmp_path / "__init__.py"), None)


def test_no_model() -> None:
    with pytest.raises(ModelError, match=r"model.py: no model found"):
        chosen("x = 1\n")


def test_required_arguments_are_listed_with_an_example() -> None:
    source = TORCH + "class Net(nn.Module):\n    def __init__(self, in_shape, out_shape, prm, device): ...\n"
    with pytest.raises(ModelError) as caught:
        chosen(source)
    message = str(caught.value)
    assert "model.py:3: Net needs arguments: in_shape, out_shape, prm, device" in message
    example = message.split('--entry "')[1].removesuffix('"')
    assert len(parse_entry(example).arguments) == 4
    assert chosen(source, example) == "Net"


def needs(signature: str) -> str:
    with pytest.raises(ModelError) as caught:
        chosen(TORCH + f"class Net(nn.Module):\n    def __init__({signature}): ...\n")
    return str(caught.value)


def test_arguments_by_keyword_alone_are_named_in_the_example() -> None:
    example = needs("self, in_channels, *, image_size, num_classes, drop=0.1").split('--entry "')[1][:-1]
    assert example == "Net(3, image_size=32, num_classes=10)"
    call = parse_entry(example)
    assert (call.arguments, call.keywords) == ((3,), {"image_size": 32, "num_classes": 10})


def test_the_example_is_a_call_of_the_file_itself_where_it_has_one() -> None:
    source = TORCH + "class Net(nn.Module):\n    def __init__(self, cfg, width): ...\n"
    source += "def test(cfg):\n    Net(cfg, 8)\n    Net(*cfg)\n    Net()\n    return Net('A', width=8)\n"
    with pytest.raises(ModelError, match=r"""--entry "Net\('A', width=8\)"$"""):
        chosen(source, "Net")


def test_keywords_of_a_factory_and_of_a_parent_are_known() -> None:
    source = TORCH + "class Base(nn.Module):\n  def __init__(self, *, width): ...\n  def forward(s, x): ...\n"
    with pytest.raises(ModelError, match=r'"Net\(width=32\)"'):
        chosen(source + "class Net(Base): ...\n")
    with pytest.raises(ModelError, match=r'"build\(32, depth=2\)"'):
        chosen(TORCH + "def build(width, *, depth):\n    return nn.Sequential()\n")


@pytest.mark.parametrize("name", ["args", "cfg", "config", "hp", "block_args", "c1", "params"])
def test_an_argument_whose_name_tells_nothing_has_no_example(name: str) -> None:
    message = needs(f"self, {name}, num_classes")
    assert f"Net needs arguments: {name}, num_classes; add a function without arguments" in message
    assert "for example" not in message


def test_constants_of_the_file_are_written_out_in_the_example() -> None:
    source = TORCH + "W = 16\nCFG = {'w': W}\nclass Net(nn.Module):\n    def __init__(self, hp, n): ...\n"
    main = "if __name__ == '__main__':\n    n = 3\n    net = Net({})\n"
    for call, text in (
        ("Net(CFG, n)", r"Net\({'w': 16}, 3\)"),
        ("Net(n=n, hp=CFG)", r"Net\(n=3, hp={'w': 16}\)"),
        ("Net(**{'hp': CFG, 'n': 4})", r"Net\(hp={'w': 16}, n=4\)"),
    ):
        with pytest.raises(ModelError, match=f'--entry "{text}"$'):
            chosen(source + main.replace("Net({})", call))
    with pytest.raises(ModelError, match="add a function without arguments"):
        chosen(source + main.replace("Net({})", "Net(open(CFG), n)"))


BLOCKS = """\
class Squeeze(nn.Module): ...
class Cat(nn.Module): ...
class Net(nn.Module):
  def forward(self, x): ...
"""


@pytest.mark.parametrize(
    ("text", "use"),
    [
        ("ATTN = {'se': Squeeze, 'cat': [Cat]}\n", "ATTN['se'](16)"),
        ("", "globals()['Cat'], globals()['Squeeze']"),
        ("SPEC = [('Cat', 3), ('Squeeze', 1)]\n", "[eval(name) for name, _ in SPEC]"),
        (
            "SPEC = ['Cat']\ndef parse(spec):\n  return [part(m) for m in spec], Squeeze\n"
            "def part(name):\n  return eval(name)\n",
            "parse(SPEC)",
        ),
    ],
)
def test_what_a_model_looks_up_is_a_block_of_it(text: str, use: str) -> None:
    source = TORCH + BLOCKS + f"  def __init__(self):\n    {use}\n" + text
    assert outermost(source) == ["Net"]
    assert outermost(source + "__all__ = ['Net', 'Cat', 'Squeeze']\n") == ["Net"]


def test_what_is_looked_up_is_a_model_where_nothing_else_is() -> None:
    source = (
        TORCH
        + "class A(nn.Module):\n  def forward(self, x): SHELF\nclass B(A):\n  def forward(self, x): ...\n"
    )
    assert outermost(source + "SHELF = [A, B]\n") == ["A", "B"]


def test_the_one_that_the_program_builds_is_preferred() -> None:
    source = TORCH + "class A(nn.Module): ...\nclass B(nn.Module): ...\n"
    main = "def main():\n    print(B())\nif __name__ == '__main__':\n    main()\n"
    assert chosen(source + main) == "B"
    with pytest.raises(ModelError, match="holds 2 models"):
        chosen(source + main.replace("B()", "A(), B()"))


def test_a_building_block_can_be_chosen() -> None:
    assert chosen(TORCH + BLOCK + NET, "Block(3)") == "Block"


def test_an_unknown_entry_names_the_known() -> None:
    with pytest.raises(ModelError, match=r"no 'Other' .*Net \(line 6\)"):
        chosen(TORCH + BLOCK + NET, "Other")


def test_parse_entry_reads_literals() -> None:
    call = parse_entry("Net((1, 3, 32, 32), (10,), {'dropout': 0.2}, 'cpu', width=-2)")
    assert call.arguments == ((1, 3, 32, 32), (10,), {"dropout": 0.2}, "cpu")
    assert call.keywords == {"width": -2}
    assert parse_entry("Net").called is False


def test_parse_entry_tells_what_is_wrong_with_a_call() -> None:
    with pytest.raises(UserError, match=r"10\)': positional argument follows keyword argument: give a name"):
        parse_entry("Net(widths=[8], 10)")


@pytest.mark.parametrize(
    "text", ["", "Net(", "Net(x)", "os.system('ls')", "Net(__import__('os'))", "Net(**{})", "1", "a; b"]
)
def test_parse_entry_refuses_all_else(text: str) -> None:
    with pytest.raises(UserError, match="literal arguments"):
        parse_entry(text)


@pytest.mark.parametrize(
    ("source", "message", "line"),
    [
        ("x = 1\ndef f(:\n", r"model.py:2: syntax error", 2),
        ("x = '\0'", r"model.py.*null", None),
        ("x = " + "(" * 500 + ")" * 500, r"model.py:1: syntax error: too many nested", 1),
    ],
)
def test_syntax_errors(source: str, message: str, line: int | None) -> None:
    with pytest.raises(ModelError, match=message) as caught:
        find_entries(source, "model.py")
    assert caught.value.failure.kind == "parse"
    assert line is None or caught.value.failure.line == line


def test_read_source(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such file"):
        read_source(tmp_path / "absent.py")
    with pytest.raises(UserError, match="is a folder"):
        read_source(tmp_path)
    bad = tmp_path / "bad.py"
    bad.write_bytes(b"x = 1\ny = '\xff'\n")
    with pytest.raises(UserError, match=r"bad.py:2: not UTF-8"):
        read_source(bad)
    bad.write_bytes(b"\xef\xbb\xbfx = 1\n")
    assert read_source(bad) == "x = 1\n"


LOOP = "for _ in range(9):\n    loss(model(x)).backward()\n"


@pytest.mark.parametrize(
    ("text", "line"),
    [
        (LOOP, 3),
        ("model.fit(x, y)\n", 3),
        ("with torch.enable_grad():\n    history = model.fit(x, y)\n", 4),
        ("def step():\n    loss().backward()\ndef train():\n    step()\ntrain()\n", 7),
        ("def train():\n    loss().backward()\n", None),
        ("class A:\n    def fit(self):\n        self.fit()\n", None),
        ("if __name__ == '__main__':\n    model.fit(x, y)\n", None),
        ("layers = []\nfor width in (8, 16):\n    layers.append(nn.Linear(8, width))\n", None),
        ("def fit(x): ...\nfit(3)\n", None),
    ],
)
def test_training_at_the_top_level_is_found(text: str, line: int | None) -> None:
    assert training_line(parse_source(TORCH + text, "model.py")) == line


def test_an_example_has_the_channels_where_the_framework_has_them() -> None:
    source = "import keras\n\n\ndef build(input_shape, n_classes):\n    return keras.Sequential([])\n"
    with pytest.raises(ModelError, match=r'--entry "build\(\(32, 32, 3\), 10\)"'):
        chosen(source)
