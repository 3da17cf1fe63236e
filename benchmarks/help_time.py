"""`pe --help` beside an empty Typer app with as many commands: the ratio of their wall times, pair by pair."""

from __future__ import annotations

import json
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EMPTY = """
import typer

app = typer.Typer(no_args_is_help=True)
for name in {names!r}:
    app.command(name)(lambda: None)
app()
"""
COMMANDS = ("annotate", "verify", "view", "show", "models", "bench")
ROUNDS = 15


def seconds(words: list[str]) -> float:
    since = time.perf_counter()
    subprocess.run(words, check=True, capture_output=True)
    return time.perf_counter() - since


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "empty.py"
        script.write_text(EMPTY.format(names=COMMANDS))
        empty = [sys.executable, str(script), "--help"]
        ours = [sys.executable, "-c", "from pe.cli import main; main()", "--help"]
        seconds(empty), seconds(ours)
        pairs = [(seconds(ours), seconds(empty)) for _ in range(ROUNDS)]
    ratio = statistics.median(one / other for one, other in pairs)
    medians = [round(statistics.median(column), 4) for column in zip(*pairs, strict=True)]
    print(json.dumps({"pe_seconds": medians[0], "empty_seconds": medians[1], "ratio": round(ratio, 3)}))
    return 0 if ratio <= 1.3 else 1


if __name__ == "__main__":
    sys.exit(main())
