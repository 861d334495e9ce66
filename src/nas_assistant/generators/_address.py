"""Where an endpoint is, and the key to it."""

from __future__ import annotations

import os
from urllib.parse import urlsplit

from nas_assistant.errors import UserError
from nas_assistant.generators._faults import KEY_VARIABLE
from nas_assistant.generators._prompts import one_line

DEFAULT_BASE_URL = "https://api.openai.com/v1"


def endpoint_name(base_url: str) -> str:
    """The URL as it is asked and as it stands in messages.

    Raises:
        UserError: It is no URL of a server, or holds more than the place, such as a password.
    """
    shown = one_line(base_url.rpartition("@")[2].partition("?")[0], 100)
    advice = "give a URL such as http://127.0.0.1:8080/v1"
    try:
        parts = urlsplit(base_url)
        port = f":{parts.port}" if parts.port is not None else ""
    except ValueError:
        raise UserError(f"--base-url {shown}: {advice}") from None
    if parts.username or parts.password or parts.query or parts.fragment:
        raise UserError(
            f"--base-url {shown}: it holds more than the place: {advice}, and the key in {KEY_VARIABLE}"
        )
    host = parts.hostname or ""
    bare = host.replace(".", "").replace("-", "").replace("_", "").replace(":", "")
    if parts.scheme not in ("http", "https") or not bare.isalnum() or not parts.path.isprintable():
        raise UserError(f"--base-url {shown}: {advice}")
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}{port}{parts.path}".rstrip("/")


def read_key(*, needed: bool) -> str:
    """The key in the environment, or an empty text.

    Raises:
        UserError: There is none and one is needed, or it holds what no key does.
    """
    key = os.environ.get(KEY_VARIABLE, "").strip()
    if needed and not key:
        raise UserError(
            f"{KEY_VARIABLE} is not set: set it to your key, or give --base-url of a local endpoint"
        )
    if not (key.isascii() and key.isprintable()):
        raise UserError(f"{KEY_VARIABLE} holds signs that no key has: set it anew")
    return key
