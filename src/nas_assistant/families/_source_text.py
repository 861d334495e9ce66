"""What the sources of the benchmark networks have in common."""

from __future__ import annotations

from collections.abc import Iterable

CONV_NORM_RELU = '''
class {name}(nn.Sequential):
    """{text}"""

    def __init__(self, channels):
        super().__init__(
            nn.Conv2d(channels, channels, kernel_size={kernel}, padding={padding}, bias=False),
            nn.BatchNorm2d(channels, momentum=0.003),
            nn.ReLU(),
        )
'''

RELU_CONV_NORM = '''
class {name}(nn.Sequential):
    """{text}"""

    def __init__(self, channels):
        super().__init__(
            nn.ReLU(),
            nn.Conv2d(channels, channels, kernel_size={kernel}, padding={padding}, bias=False),
            nn.BatchNorm2d(channels),
        )
'''


def join(title: str, *parts: str) -> str:
    """A file: its docstring, its imports, and its classes two blank lines apart."""
    head = f'"""{title}"""\n\nimport torch\nfrom torch import nn\n'
    return "\n\n".join([head, *(part.strip("\n") + "\n" for part in parts)])


def indented(lines: Iterable[str]) -> str:
    """Statements of a method's body."""
    return "\n".join(f"        {line}" for line in lines)
