"""What can go wrong at an endpoint, and what the user can do about it."""

from __future__ import annotations

import email.utils
import math
import re
import socket
import time
from collections.abc import Collection, Mapping
from typing import Any

import openai

from nas_assistant.errors import UserError

KEY_VARIABLE = "OPENAI_API_KEY"

_RETRIED = frozenset({408, 409, 425, 429})
_REFUSES = frozenset({400, 404, 415, 422, 501})
_NAMES = {
    "response_format": r"response[_ ]format|json[_ ]schema|structured[_ ]outputs?|grammar",
    "temperature": r"temperature",
    "seed": r"seed",
    "max_tokens": r"max_tokens",
    "max_completion_tokens": r"max_completion_tokens",
}
_LIMITS = frozenset({"max_tokens", "max_completion_tokens"})
_TOO_MANY = re.compile(
    r"maximum context|max_(completion_)?tokens\b.*(too (large|high|long|big)|at most|less than|valid range|"
    r"maximum allowed)",
    re.IGNORECASE,
)


class TemporaryFault(Exception):
    """A fault that may be gone at the next try.

    Args:
        reason: What happened, to follow the endpoint's name.
        remedy: What the user can do when it stays.
        after: Seconds that the endpoint asks to wait, or None.
        lost: Whether the endpoint may have worked, and charge, for an answer that did not arrive.
        absent: Whether nothing was there to ask.
    """

    def __init__(
        self,
        reason: str,
        remedy: str,
        after: float | None = None,
        *,
        lost: bool = False,
        absent: bool = False,
    ) -> None:
        super().__init__(reason)
        self.reason, self.remedy, self.after = reason, remedy, after
        self.lost, self.absent = lost, absent


class RefusedParameter(Exception):
    """The endpoint does not take one of the parameters that it could do without.

    Args:
        name: Which.
    """

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.name = name


def status_fault(
    error: openai.APIStatusError,
    endpoint: str,
    model: str,
    has_key: bool,
    optional: Collection[str],
    told: str,
) -> Exception:
    """The fault of an answer whose status is not 200.

    Args:
        error: What the client raised.
        endpoint: Name of the endpoint for messages.
        model: The model asked for.
        has_key: Whether the user gave a key.
        optional: Parameters of the request that it could do without.
        told: What the endpoint said, fit to be shown.
    """
    status = error.status_code
    said = f": {told}" if told else ""
    if status == 401:
        # What the endpoint says here may hold a part of the key.
        remedy = f"set {KEY_VARIABLE} to a key of this endpoint"
        reason = (
            f"refused the key in {KEY_VARIABLE}"
            if has_key
            else f"asks for a key and {KEY_VARIABLE} is not set"
        )
        return UserError(f"{endpoint} {reason} (401): {remedy}")
    if status == 403:
        return UserError(
            f"{endpoint} denied access (403{said}): check that the key in {KEY_VARIABLE} may use "
            f"--model {model}"
        )
    if status == 429 and error.code == "insufficient_quota":
        return UserError(f"{endpoint}: the quota of the key in {KEY_VARIABLE} is used up (429): raise it")
    if status in _RETRIED or status >= 500:
        remedy = "ask less often" if status == 429 else "try again later, or see the endpoint's own log"
        return TemporaryFault(f"answered {status}{said}", remedy, retry_after(error.response.headers))
    if status in _REFUSES and _LIMITS & set(optional) and _TOO_MANY.search(f"{error.param} {told}"):
        return UserError(f"{endpoint} refused the request ({status}{said}): give fewer --answer-tokens")
    refused = _refused(error, told, optional) if status in _REFUSES else None
    if refused is not None:
        return RefusedParameter(refused)
    if status == 404:
        return UserError(
            f"{endpoint} has no such place or model (404{said}): check --base-url, which mostly ends in /v1, "
            f"and --model {model}"
        )
    return UserError(f"{endpoint} refused the request ({status}{said}): check --base-url and --model {model}")


def _refused(error: openai.APIStatusError, told: str, optional: Collection[str]) -> str | None:
    if error.param in optional:
        return error.param
    for name, pattern in _NAMES.items():
        if name in optional and re.search(rf"\b({pattern})\b", f"{error.param} {told}", re.IGNORECASE):
            return name
    # Many endpoints answer a schema that they do not take with 400 and no word about it.
    return "response_format" if error.status_code in (400, 422) and "response_format" in optional else None


def connection_fault(error: Exception, timeout: float) -> TemporaryFault:
    """The fault of a request that no answer came to."""
    if isinstance(error, openai.APITimeoutError | TimeoutError):
        remedy = "check that it is up, or give a longer --timeout"
        return TemporaryFault(f"did not answer within {timeout:g} s", remedy, lost=True)
    cause: BaseException = error
    while (deeper := cause.__cause__ or cause.__context__) is not None:
        cause = deeper
    # The message of a protocol error may hold the header with the key, that of the system does not.
    if isinstance(cause, OSError):
        reason = cause.strerror or type(cause).__name__
        absent = isinstance(cause, ConnectionRefusedError | socket.gaierror)
        return TemporaryFault(
            f"cannot be reached ({reason})", "start it, or check --base-url", lost=not absent, absent=absent
        )
    reason = f"broke the connection off ({type(cause).__name__})"
    return TemporaryFault(reason, "see the endpoint's own log, or check --base-url", lost=True)


def no_completion(what: str, *, lost: bool = True) -> TemporaryFault:
    """The fault of an answer with status 200 that is no chat completion."""
    return TemporaryFault(
        f"answered with {what} instead of a chat completion",
        "check --base-url, which mostly ends in /v1",
        lost=lost,
    )


def retry_after(headers: Mapping[str, Any]) -> float | None:
    """Seconds that an answer asks to wait, from ``Retry-After-Ms`` or ``Retry-After`` (seconds or a date)."""
    for name, scale in (("retry-after-ms", 1000.0), ("retry-after", 1.0)):
        text = str(headers.get(name, "")).strip()
        if not text:
            continue
        try:
            seconds = float(text) / scale
        except ValueError:
            try:
                seconds = email.utils.parsedate_to_datetime(text).timestamp() - time.time()
            except (ValueError, TypeError, OverflowError):
                continue
        if math.isfinite(seconds):
            return max(seconds, 0.0)
    return None
