"""Reads a grammar of llama.cpp (GBNF) without recursion as a regular expression."""

from __future__ import annotations

import re

_TOKEN = re.compile(
    r'"((?:[^"\\]|\\.)*)"|(\[(?:[^\]\\]|\\.)*\])|([a-z][a-z0-9-]*)|([|()?]|\{\d+,\d+\})|(\s+)'
)


def compile_grammar(grammar: str) -> re.Pattern[str]:
    """What the rule ``root`` matches.

    Raises:
        ValueError: The grammar has something else in it, or a rule that is not there.
    """
    rules = {}
    for line in grammar.strip().splitlines():
        name, _, body = line.partition(" ::= ")
        if name in rules:
            raise ValueError(f"the rule {name} is there twice")
        rules[name] = body
    return re.compile(_expand("root", rules))


def _expand(name: str, rules: dict[str, str]) -> str:
    if name not in rules:
        raise ValueError(f"no rule {name}")
    body, place, pieces = rules[name], 0, []
    while place < len(body):
        found = _TOKEN.match(body, place)
        if found is None:
            raise ValueError(f"{name}: {body[place:]!r}")
        literal, signs, rule, operator, _ = found.groups()
        if literal is not None:
            text = re.sub(r"\\(.)", r"\1", literal)
            pieces.append(f"(?:{re.escape(text)})")
        elif rule is not None:
            pieces.append(_expand(rule, rules))
        else:
            pieces.append(signs or operator or "")
        place = found.end()
    return f"(?:{''.join(pieces)})"
