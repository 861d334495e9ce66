"""Every exchange with a language model, in a SQLite file of the run directory."""

from __future__ import annotations

import contextlib
import json
import sqlite3
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from nas_assistant.errors import Failure, UserError
from nas_assistant.generators._base import Usage
from nas_assistant.generators._chat import Answer
from nas_assistant.generators._ledger import Prices
from nas_assistant.generators._prompts import Message

NAME = "exchanges.sqlite"
ENDPOINT, CACHE = "endpoint", "cache"

_TABLE = """
CREATE TABLE IF NOT EXISTS exchanges (
    id INTEGER PRIMARY KEY,
    time TEXT NOT NULL,             -- when it was asked, UTC
    candidate INTEGER NOT NULL,     -- number of the candidate that it was asked for
    key TEXT NOT NULL,              -- digest of endpoint, model, prompt and parameters
    place INTEGER NOT NULL,         -- how often the same was asked for this candidate before
    answered_by TEXT NOT NULL,      -- endpoint or cache
    endpoint TEXT NOT NULL,
    model TEXT NOT NULL,
    parameters TEXT NOT NULL,       -- JSON
    prompt TEXT NOT NULL,           -- JSON: the turns of the conversation
    answer TEXT,                    -- NULL: none came
    refusal TEXT NOT NULL DEFAULT '',
    finish TEXT NOT NULL DEFAULT '',
    prompt_tokens INTEGER NOT NULL, -- charged: 0 for an answer of the cache
    answer_tokens INTEGER NOT NULL,
    counted INTEGER NOT NULL DEFAULT 0, -- 1: by the endpoint, 0: estimated
    usd REAL,                       -- NULL: prices are not known
    seconds REAL,
    failure TEXT                    -- why the answer, or the endpoint, could not be used
)
"""


class ExchangeLog:
    """The file of one run. A question is in it before it is asked, so that a kill leaves no unknown charge.

    Args:
        folder: The run directory.

    Raises:
        UserError: The file cannot be used.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / NAME
        # Proposals may be asked for by several threads.
        self._lock = threading.Lock()
        try:
            self._data = sqlite3.connect(self.path, check_same_thread=False, isolation_level=None)
        except sqlite3.Error as error:
            raise UserError(f"{self.path}: cannot be opened ({error})") from None
        try:
            with self._using() as data:
                data.execute("PRAGMA synchronous = FULL")
                data.execute(_TABLE)
        except UserError:
            self._data.close()
            raise

    def close(self) -> None:
        """Close the file."""
        self._data.close()

    def usage(self, prices: Prices | None = None) -> Usage:
        """What the run was charged so far.

        Args:
            prices: For what was asked while no price was known; without them its cost is not known.
        """
        with self._using() as data:
            asked, spared, all_read, all_written, usd, read, written = data.execute(
                "SELECT COUNT(*) FILTER (WHERE answered_by = ?), COUNT(*) FILTER (WHERE answered_by = ?), "
                "COALESCE(SUM(prompt_tokens), 0), COALESCE(SUM(answer_tokens), 0), SUM(usd), "
                "COALESCE(SUM(prompt_tokens) FILTER (WHERE usd IS NULL), 0), "
                "COALESCE(SUM(answer_tokens) FILTER (WHERE usd IS NULL), 0) FROM exchanges",
                (ENDPOINT, CACHE),
            ).fetchone()
        if prices is not None:
            usd = (usd or 0.0) + prices.cost(read, written)
        elif read or written:
            usd = None
        return Usage(asked, spared, all_read, all_written, usd)

    def find(self, candidate: int, key: str, place: int) -> tuple[int, Answer] | None:
        """The number and the answer of an exchange that came to its end, or None."""
        with self._using() as data:
            row = data.execute(
                "SELECT id, answer, refusal, finish FROM exchanges "
                "WHERE candidate = ? AND key = ? AND place = ? AND answer IS NOT NULL ORDER BY id DESC",
                (candidate, key, place),
            ).fetchone()
        return (row[0], Answer(row[1], row[2], row[3])) if row else None

    def ask(
        self,
        *,
        candidate: int,
        key: str,
        place: int,
        by: str,
        endpoint: str,
        model: str,
        parameters: Mapping[str, Any],
        messages: Sequence[Message],
        tokens: int,
        usd: float | None,
    ) -> int:
        """Write a question down, with the least that it costs; returns its number."""
        values = {
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "candidate": candidate,
            "key": key,
            "place": place,
            "answered_by": by,
            "endpoint": endpoint,
            "model": model,
            "parameters": json.dumps(dict(parameters), ensure_ascii=False),
            "prompt": json.dumps(list(messages), ensure_ascii=False),
            "prompt_tokens": tokens,
            "answer_tokens": 0,
            "usd": usd,
        }
        names, marks = ", ".join(values), ", ".join("?" * len(values))
        with self._using() as data:
            done = data.execute(
                f"INSERT INTO exchanges ({names}) VALUES ({marks})", [_writable(v) for v in values.values()]
            )
        assert done.lastrowid is not None
        return done.lastrowid

    def update(self, number: int, **values: Any) -> None:
        """Write down what came of a question."""
        marks = ", ".join(f"{name} = ?" for name in values)
        with self._using() as data:
            data.execute(
                f"UPDATE exchanges SET {marks} WHERE id = ?", [*map(_writable, values.values()), number]
            )

    def fail(self, number: int, failure: Failure) -> None:
        """Write down why an answer cannot be used."""
        self.update(number, failure=f"{failure.kind.value}: {failure.message}")

    @contextlib.contextmanager
    def _using(self) -> Iterator[sqlite3.Connection]:
        with self._lock:
            try:
                yield self._data
            except sqlite3.Error as error:
                raise UserError(
                    f"{self.path}: cannot be used ({error}): free some space, or start anew with another "
                    "--run-dir"
                ) from None


def _writable(value: Any) -> Any:
    """The value, without the lone surrogates that SQLite does not take."""
    return value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
