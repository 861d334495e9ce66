"""A module with an underscore belongs to its room; others import what the room offers."""

from __future__ import annotations

import ast
from pathlib import Path

import nas_assistant

ROOT = Path(nas_assistant.__file__).parent


def test_no_room_imports_the_private_modules_of_another() -> None:
    rooms = {path.name for path in ROOT.iterdir() if (path / "__init__.py").is_file()}
    seen, found = 0, []
    for path in sorted(ROOT.rglob("*.py")):
        own = path.relative_to(ROOT).parts[0]
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            names = [node.module] if isinstance(node, ast.ImportFrom) and node.module else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            for name in names:
                package, _, rest = name.partition(".")
                room, *inner = rest.split(".")
                if package != "nas_assistant" or room not in rooms or room == own:
                    continue
                seen += 1
                if any(part.startswith("_") for part in inner):
                    found.append(f"{path.relative_to(ROOT)}: {name}")
    assert seen > 100
    assert found == []
