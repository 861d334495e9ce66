"""What the sandbox can do on this system."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from pathlib import Path

from nas_assistant.sources._sandbox import environment

_SECONDS = 60


def sandbox_features() -> dict[str, str]:
    """Lock a throw-away process down and tell what became of each mechanism.

    Returns:
        For each mechanism ``active...`` or ``off: why``.
    """
    with tempfile.TemporaryDirectory(prefix="nas-assistant-") as folder:
        try:
            done = subprocess.run(
                [sys.executable, "-P", "-m", "nas_assistant.sources._features", folder],
                env=environment(Path(folder)),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                timeout=_SECONDS,
                check=True,
            )
        except (OSError, subprocess.SubprocessError) as error:
            return {"sandbox": f"off: {error}"}
        features: dict[str, str] = json.loads(done.stdout)
        return features


def _probe(folder: Path) -> dict[str, str]:
    import os

    from nas_assistant.sources._limits import Limits
    from nas_assistant.sources._lockdown import lock_down

    return lock_down(folder, (), (), Limits(), os.getppid())


if __name__ == "__main__":
    print(json.dumps(_probe(Path(sys.argv[1]))))
