"""What a job tells before it ends: a JSON header and the bytes of some arrays."""

from __future__ import annotations

import json
from typing import Any

_LENGTH_BYTES = 4


def pack(header: dict[str, Any], body: bytes = b"") -> bytes:
    """One message."""
    head = json.dumps(header).encode()
    return len(head).to_bytes(_LENGTH_BYTES, "big") + head + body


def unpack(message: bytes) -> tuple[dict[str, Any], bytes]:
    """Header and body of a message.

    Raises:
        ValueError: It is none.
    """
    end = _LENGTH_BYTES + int.from_bytes(message[:_LENGTH_BYTES], "big")
    header = json.loads(message[_LENGTH_BYTES:end])
    if not isinstance(header, dict):
        raise ValueError("a message's header is an object")
    return header, message[end:]
