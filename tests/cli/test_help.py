from __future__ import annotations

import subprocess
import sys

import pytest

HEAVY = ("pydantic", "numpy", "cv2", "PIL", "torch", "transformers", "pyarrow", "yaml", "pycocotools", "fsspec")


def run(code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)


@pytest.mark.parametrize("words", [["--help"], ["annotate", "--help"], ["verify", "--help"], ["--version"]])
def test_help_imports_nothing_heavy(words: list[str]) -> None:
    done = run(
        f"import sys; sys.argv = ['pe', *{words!r}]\n"
        "from pe.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: code = end.code or 0\n"
        f"print('HEAVY', [name for name in {HEAVY!r} if name in sys.modules], code)"
    )
    # Typer itself imports pydantic as soon as a command has parameters.
    allowed = "HEAVY ['pydantic'] 0" if len(words) > 1 else "HEAVY [] 0"
    assert done.stdout.splitlines()[-1] in (allowed, "HEAVY [] 0"), done.stdout + done.stderr


def test_every_command_has_help() -> None:
    done = run("import sys; sys.argv = ['pe', '--help']\nfrom pe.cli import main\nmain()")
    assert done.returncode == 0
    for name in ("annotate", "verify", "view", "show", "models", "bench"):
        assert name in done.stdout


def test_a_wrong_command_is_usage_and_names_the_nearest() -> None:
    done = run("import sys; sys.argv = ['pe', 'anotate']\nfrom pe.cli import main\nmain()")
    assert done.returncode == 2
    assert "annotate" in done.stderr
    assert "Traceback" not in done.stderr


def test_no_help_holds_words_in_square_brackets_that_typer_would_drop() -> None:
    done = run(
        "import re, typer.main\n"
        "from pe.cli import app\n"
        "def walk(command):\n"
        "    for one in getattr(command, 'commands', {}).values(): yield from walk(one)\n"
        "    yield command\n"
        "texts = [text for one in walk(typer.main.get_command(app))\n"
        "         for text in (one.help, *(getattr(part, 'help', None) for part in one.params)) if text]\n"
        "print(len(texts), [text for text in texts if re.search(r'\\[[a-z]', text)])"
    )
    count, found = done.stdout.split(" ", 1)
    assert int(count) > 100
    assert found.strip() == "[]"
