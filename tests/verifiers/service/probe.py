"""A verifier that does what the response says: a number is the score, "hang", "die", "sleep 0.2" and so on.

The servers under test find it by the entry point of a distribution that `install` lays out.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from pydantic import Field

from pe.formats import Decoded
from pe.verifiers import Call, Parameters, Verifier
from pe.verifiers import Missing as MissingScore

__all__ = ["ProbeVerifier"]


class ProbeParameters(Parameters):
    format: str = "text"
    also: dict[str, dict[str, Any]] = Field(default={})


class ProbeVerifier(Verifier):
    """The score is the number in the response."""

    Parameters = ProbeParameters
    behaviour: ClassVar[Any] = "form"
    formula = "the number in the response"
    source = "the tests"

    def judge(self, answer: Decoded, truth: Any, call: Call) -> Mapping[str, float]:
        word, _, rest = call.response.partition(" ")
        if word == "hang":
            while True:
                pass
        elif word == "sleep":
            time.sleep(float(rest))
            return {"accuracy": 0.5}
        elif word == "die":
            os.kill(os.getpid(), signal.SIGKILL)
        elif word == "leave":
            raise SystemExit(3)
        elif word == "raise":
            raise RuntimeError("x" * 100_000 + call.response)
        elif word == "missing":
            raise MissingScore(rest)
        elif word == "print":
            print("noise\n" * 1000, flush=True)
            os.write(1, b"r\0\0\0\0")
            subprocess.run([sys.executable, "-c", "import sys; print(sys.stdin.read())"], check=True)
            return {"accuracy": 1.0}
        elif word == "secret":
            return {"accuracy": float("PE_SERVE_TOKEN" in os.environ)}
        elif word == "pid":
            return {"accuracy": 1.0, "pid": float(os.getpid()), "nan": float("nan")}
        return {"accuracy": float(word)}


def install(site: Path) -> Path:
    """Lay this file out in `site` as an installed distribution that names the verifier `probe`."""
    site.mkdir(parents=True, exist_ok=True)
    shutil.copy(__file__, site / "pe_probe.py")
    folder = site / "pe_probe-1.0.dist-info"
    folder.mkdir(exist_ok=True)
    (folder / "METADATA").write_text("Metadata-Version: 2.1\nName: pe-probe\nVersion: 1.0\n")
    (folder / "entry_points.txt").write_text("[pe.verifiers]\nprobe = pe_probe:ProbeVerifier\n")
    return site
