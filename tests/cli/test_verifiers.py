from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from pe.cli.verifiers import verifiers

PE = [sys.executable, "-c", "from pe.cli import main; main()"]
TRUTH = {"objects": [{"phrase": "cat", "bbox": [100, 100, 300, 300]}]}
RIGHT = {
    "response": '[{"bbox_2d": [100, 100, 300, 300], "label": "cat"}]',
    "ground_truth": TRUTH,
    "image_size": [999, 999],
}


def run(*words: str, text: str = "") -> Result:
    return CliRunner().invoke(verifiers, [*words], input=text)


def pe(*words: str, text: str = "") -> subprocess.CompletedProcess[str]:
    done = subprocess.run([*PE, "verifiers", *words], input=text, capture_output=True, text=True)
    assert "Traceback" not in done.stderr, done.stderr
    return done


def text_of(*rows: Any) -> str:
    return "".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows)


def test_list_and_show() -> None:
    rows = {line.split()[0]: line for line in run("list").stdout.splitlines()}
    assert rows["detection"].split() == ["detection", "continuous", "bbox", "accuracy"]
    assert rows["format"].split() == ["format", "form", "-", "format"]
    listed = {row["name"]: row for row in json.loads(run("list", "--json").stdout)["verifiers"]}
    assert listed["detection-f1"] == json.loads(run("show", "detection-f1", "--json").stdout)
    shown = run("show", "format").stdout
    assert "formula     1 if the parse status is ok" in shown
    assert "source      Perception-R1" in shown
    assert "signed  false  (boolean)" in shown


def test_a_line_in_is_a_line_out() -> None:
    params = '{"format": "qwen3-vl"}'
    lines = [RIGHT | {"image_size": [1000, 1000]}, RIGHT | {"image_size": [1000, 1000], "response": "junk"}]
    done = run("score", "detection", "--params", params, text=text_of(*lines))
    assert done.exit_code == 0, done.stderr
    assert [json.loads(line) for line in done.stdout.splitlines()] == [
        {"score": 1.0, "components": {"accuracy": 1.0, "format": 1.0}, "state": "ok", "reason": "", "metrics": {}},
        {
            "score": 0.0,
            "components": {"accuracy": 0.0, "format": 0.0},
            "state": "unparsable",
            "reason": "",
            "metrics": {},
        },
    ]
    weighed = run("score", "detection", "--params", params, "--weights", '{"format": 1}', text=text_of(lines[0]))
    assert json.loads(weighed.stdout)["score"] == 1.0


def test_a_missing_score_is_null_with_its_reason() -> None:
    done = run("score", "length", text=text_of({"response": "abc"}))
    row = json.loads(done.stdout)
    assert (done.exit_code, row["score"], row["components"]) == (0, None, {"length": None})
    assert "tokens" in row["reason"]


def test_bytes_that_are_no_text_are_read() -> None:
    done = CliRunner().invoke(
        verifiers, ["score", "exact-text"], input=b'{"response": "\xff", "ground_truth": {"text": "a"}}'
    )
    assert json.loads(done.stdout)["score"] == 0.0


def test_a_bad_line_is_named_and_the_others_are_answered() -> None:
    done = pe("score", "detection", text=text_of(RIGHT, "nonsense", "", RIGHT | {"image_size": None}, RIGHT))
    assert done.returncode == 2
    assert len(done.stdout.splitlines()) == 2
    first, second = done.stderr.splitlines()
    assert first.startswith("pe: line 2: not JSON")
    assert second.startswith("pe: line 4: image_size")


def test_a_hostile_line_cannot_steer_the_terminal() -> None:
    done = pe("score", "detection", text='{"response": "x", "\\u001b[2J\\u202e\\n": 1}\n')
    assert done.returncode == 2
    assert done.stderr.isascii()
    assert "\x1b" not in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("score", "detecton"), "did you mean detection"),
        (("show", "detecton"), "did you mean detection"),
        (("score", "format", "--params", '{"sgined": true}'), "sgined"),
        (("score", "format", "--params", "signed"), "not a JSON object"),
        (("score", "format", "--weights", '{"accuracy": 1}'), "no component 'accuracy'"),
    ],
)
def test_bad_usage_is_one_line_and_two(words: tuple[str, ...], message: str) -> None:
    done = pe(*words, text='{"response": "x", "image_size": [5, 5]}\n')
    assert done.returncode == 2
    assert message in done.stderr
    assert done.stderr.count("\n") == 1
