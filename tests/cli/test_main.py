"""The entry of the command line."""

from __future__ import annotations

import subprocess
import sys

_INTERRUPTED = """
import builtins, os, signal
from pe.__main__ import main
signal.signal(signal.SIGINT, signal.default_int_handler)  # what is started in the background ignores it
load = builtins.__import__
def interrupted(name, *rest, **more):
    if name == "pe.cli":
        os.kill(os.getpid(), signal.SIGINT)
    return load(name, *rest, **more)
builtins.__import__ = interrupted
main()
"""


def test_sigint_during_the_imports_is_130_without_a_traceback() -> None:
    done = subprocess.run([sys.executable, "-c", _INTERRUPTED], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (130, "")
