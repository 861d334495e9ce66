"""How each framework spells the activations that may stand for one another."""

from __future__ import annotations

from nas_assistant.graphs import Operation

CHOICES = (
    Operation.RELU,
    Operation.GELU,
    Operation.SWISH,
    Operation.HARD_SWISH,
    Operation.LEAKY_RELU,
    Operation.ELU,
)

TORCH_CLASS = {
    Operation.RELU: "ReLU",
    Operation.GELU: "GELU",
    Operation.SWISH: "SiLU",
    Operation.HARD_SWISH: "Hardswish",
    Operation.LEAKY_RELU: "LeakyReLU",
    Operation.ELU: "ELU",
    Operation.RELU6: "ReLU6",
}
TORCH_FUNCTION = {
    Operation.RELU: "relu",
    Operation.GELU: "gelu",
    Operation.SWISH: "silu",
    Operation.HARD_SWISH: "hardswish",
    Operation.LEAKY_RELU: "leaky_relu",
    Operation.ELU: "elu",
    Operation.RELU6: "relu6",
}
KERAS_NAME = {
    Operation.RELU: "relu",
    Operation.GELU: "gelu",
    Operation.SWISH: "swish",
    Operation.HARD_SWISH: "hard_swish",
    Operation.LEAKY_RELU: "leaky_relu",
    Operation.ELU: "elu",
    Operation.RELU6: "relu6",
}
KERAS_FUNCTION = {**KERAS_NAME, Operation.SWISH: "silu", Operation.HARD_SWISH: "hard_silu"}
KERAS_SPELLINGS = {
    **{name: op for op, name in KERAS_NAME.items()},
    "silu": Operation.SWISH,
    "hard_silu": Operation.HARD_SWISH,
}
REPLACEABLE = frozenset({*CHOICES, Operation.RELU6, Operation.TANH})
