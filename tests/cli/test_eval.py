"""`pe eval` as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pe.schemas.sample import Verifier
from tests.evaluation.rollouts import HALF, RIGHT, lines, rl, write


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("eval") / "rl", [[rl(f"k{number}", number) for number in range(4)]])


def pe(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pe", "eval", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120)


def test_tables_json_and_comparison(shards: Path, tmp_path: Path) -> None:
    before = lines(tmp_path / "before.jsonl", *({"key": f"k{number}", "response": HALF} for number in range(4)))
    after = lines(
        tmp_path / "after.jsonl",
        *({"key": f"k{number}", "response": RIGHT if number else HALF, "tokens": 20} for number in range(4)),
    )
    out = tmp_path / "out"
    done = pe(after, "--on", shards, "--out", out, "--compare", before, "--resamples", 50)
    assert done.returncode == 0, done.stderr
    assert "| box-f1-one-to-one" in done.stdout
    assert "0.675" in done.stdout  # F1@mean from .1 to .775
    assert sorted(path.name for path in out.iterdir()) == [
        "comparison.json", "comparison.md", "evaluation.json", "evaluation.md",
    ]  # fmt: skip
    saved = json.loads((out / "evaluation.json").read_text())
    assert saved["groups"]["all"]["box-f1-one-to-one"]["F1@mean"]["value"] == pytest.approx(0.775)
    assert (out / "comparison.md").read_text() == done.stdout
    done = pe(after, "--on", shards, "--metrics", "coco-ap", "--resamples", 0, "--json")
    values = json.loads(done.stdout)
    assert list(values["groups"]["all"]) == ["coco-ap"]
    assert values["comparison"] is None
    again = pe(tmp_path / "after.jsonl", "--on", shards, "--compare", out.parent / "before.jsonl", "--resamples", 50)
    assert again.stdout == (out / "comparison.md").read_text()  # the same to the letter


def test_bad_input_is_one_line(shards: Path, tmp_path: Path) -> None:
    torn = lines(tmp_path / "torn.jsonl", {"key": "k0", "response": RIGHT}, '{"key": "k1", "respo')
    for arguments, code, words in (
        ((torn, "--on", shards), 2, "line 2: not JSON"),
        ((tmp_path / "absent.jsonl", "--on", shards), 2, "--out"),
        ((torn, "--on", tmp_path), 2, "no plan.jsonl"),
        ((torn, "--on", shards, "--metrics", "coco-app"), 2, "did you mean coco-ap"),
        ((torn, "--on", shards, "--preset", "rexomi"), 2, "rexomni"),
        ((lines(tmp_path / "other", {"key": "x", "response": ""}), "--on", shards), 2, "1 unknown keys"),
    ):
        done = pe(*arguments)
        assert done.returncode == code, arguments
        assert words in done.stderr
        assert "Traceback" not in done.stderr
        assert len(done.stderr.splitlines()) == 1, done.stderr
    assert "box-f1-one-to-one" in pe(torn, "--on", shards).stdout  # what can be evaluated is


def test_half_a_surrogate_pair_is_no_key(shards: Path, tmp_path: Path) -> None:
    path = lines(tmp_path / "r.jsonl", {"key": "\ud800", "response": RIGHT}, {"key": "k0", "response": "\ud800"})
    done = pe(path, "--on", shards, "--json")
    assert done.returncode == 0, done.stderr
    counts = json.loads(done.stdout)["counts"]
    assert (counts["unknown_keys"], counts["evaluated"]) == (1, 1)


def test_a_preset_names_metrics(shards: Path, tmp_path: Path) -> None:
    path = lines(tmp_path / "r.jsonl", {"key": "k0", "response": RIGHT})
    values = json.loads(pe(path, "--on", shards, "--preset", "vlm-r1", "--json").stdout)
    assert {"coco-ap-filtered", "greedy-pr-best-pair", "ovdeval-nms-ap-compat"} <= set(values["metrics"])


def test_help_is_light() -> None:
    heavy = ("numpy", "torch", "cv2", "scipy")
    code = f"import sys, pe.cli.eval; print([name for name in {heavy} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_model_answers_first_and_nothing_twice(tmp_path: Path) -> None:
    pytest.importorskip("transformers")
    from tests.vlms import qwen2_5_vl

    model = qwen2_5_vl(tmp_path / "model")
    messages = json.dumps([{"role": "user", "content": "<image>Find the cat."}])
    form = Verifier(name="detection", params_json='{"format": "rexomni"}')
    rows = [rl(f"k{number}", number, messages_json=messages, verifier=form) for number in range(2)]
    shards, out = write(tmp_path / "rl", [rows]), tmp_path / "out"
    options = ("--on", shards, "--out", out, "--max-new-tokens", 4, "--resamples", 0, "--device", "cpu")
    assert "Traceback" not in (missing := pe(model, "--on", shards)).stderr
    assert missing.returncode == 2
    assert "--out" in missing.stderr
    taught = write(tmp_path / "sft", [[rl("k9", 9, kind="sft", messages_json=messages)]])
    for words, said in (
        (("--on", taught, "--out", out), "holds sft samples"),
        ((*options, "--compare", tmp_path / "nowhere"), "no responses are there"),
        ((*options, "--scenes", tmp_path / "nowhere"), "nowhere"),
    ):
        early = pe(model, *words)
        assert early.returncode == 2
        assert said in early.stderr
        assert not (out / "responses.jsonl").exists(), "nothing is answered that cannot be used"
    broken = tmp_path / "broken"
    broken.mkdir()
    (broken / "config.json").write_text("{}")
    assert pe(broken, *options).returncode == 2  # and its folder is nobody's
    done = pe(model, *options, "--json")
    assert done.returncode == 0, done.stderr
    figures = json.loads(done.stdout)
    assert figures["counts"]["evaluated"] == 2
    assert figures["groups"]["all"]["response-length"]["tokens"]["value"] > 0
    answers = (out / "responses.jsonl").read_bytes()
    assert len(answers.splitlines()) == 2
    again = pe(model, *options, "--samples", 1, "--json")
    assert (out / "responses.jsonl").read_bytes() == answers
    assert json.loads(again.stdout)["groups"] == figures["groups"]
