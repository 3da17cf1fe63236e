from __future__ import annotations

import json
import subprocess
import sys

import pytest
from typer.testing import CliRunner, Result

from pe.cli.formats import formats

BOX = '[{"phrase": "cat", "bbox": [10, 20, 200, 300]}]'
SIZE = ("--image-size", "640", "480")


def run(*words: str, text: str = "") -> Result:
    return CliRunner().invoke(formats, [*words], input=text)


def test_list_and_show() -> None:
    lines = {line.split()[0]: line for line in run("list").stdout.splitlines()}
    assert "bbox, keypoints, point, rings" in lines["rexomni"]
    assert "read only" in lines["gemini"]
    rows = {row["name"]: row for row in json.loads(run("list", "--json").stdout)["formats"]}
    assert rows["rexomni"] == json.loads(run("show", "rexomni", "--json").stdout)
    assert "<0> .. <999> (1000, taken)" in run("show", "rexomni").stdout


def test_encode_and_decode_are_each_others_inverse() -> None:
    text = run("encode", "rexomni", *SIZE, text=BOX).stdout
    assert text == "<|object_ref_start|>cat<|object_ref_end|><|box_start|><16><42><312><624><|box_end|>\n"
    printed = run("decode", "rexomni", *SIZE, text=text).stdout
    decoded = json.loads(printed)
    assert decoded["status"] == "ok"
    assert decoded["objects"][0]["bbox"] == pytest.approx([10, 20, 200, 300], abs=0.33)
    assert run("encode", "rexomni", *SIZE, text=printed).stdout == text


def test_sizes_and_what_was_asked() -> None:
    decoded = json.loads(
        run("decode", "qwen2.5-vl", *SIZE, "--input-size", "320", "240", "--asked", "cat", text="[1, 2, 30, 40]").stdout
    )
    assert decoded["objects"] == [{"phrase": "cat", "bbox": [2.0, 4.0, 60.0, 80.0]}]


def test_bytes_that_are_no_text_are_read() -> None:
    done = CliRunner().invoke(formats, ["decode", "auto", *SIZE], input=b"\xff\xfe[1, 2, 3, 4]")
    assert len(json.loads(done.stdout)["objects"]) == 1


@pytest.mark.parametrize(
    ("words", "text", "message"),
    [
        (("encode", "rexomni"), '[{"phrase": "cat", "bbx": [1]}]', "objects.0.bbx: extra inputs are not permitted"),
        (("encode", "rexomni"), '[{"phrase": "cat"}]', "exactly one of bbox, point and rings"),
        (("encode", "rexomni"), '[{"bbox": [1, 2, 3, NaN]}]', "objects.0.bbox.3"),
        (("encode", "rexomni"), "nonsense", "not an answer as JSON"),
        (("encode", "molmo"), BOX, "molmo does not write bbox (it writes point)"),
        (("encode", "gemini"), BOX, "gemini does not write bbox (it writes nothing)"),
        (("decode", "rexomi"), "", "did you mean rexomni"),
    ],
)
def test_bad_input_is_one_clear_line(words: tuple[str, ...], text: str, message: str) -> None:
    done = subprocess.run(
        [
            sys.executable,
            "-c",
            f"import sys; sys.argv = ['pe', 'formats', *{[*words, *SIZE]!r}]\nfrom pe.cli import main\nmain()",
        ],
        input=text,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
    assert "Traceback" not in done.stderr
