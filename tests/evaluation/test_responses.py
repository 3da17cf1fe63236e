from __future__ import annotations

import json
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from pe.errors import DamageError, InputError
from pe.evaluation.response_table import report_text
from pe.evaluation.responses import score_responses, sources_path
from pe.schemas.sample import RewardModel, Verifier
from tests.evaluation.rollouts import HALF, RIGHT, lines, rl, write


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Four samples in two shards, one of another source, one that no verifier can score."""
    bad = rl("k3", verifier=Verifier(name="detecton"))
    samples = [[rl("k0"), rl("k1")], [rl("k2", data_source="synth\x1b[2J"), bad]]
    return write(tmp_path_factory.mktemp("shards") / "rl", samples)


def answer(key: str, response: str = RIGHT, **more: Any) -> dict[str, Any]:
    return {"key": key, "response": response, **more}


def test_every_response_is_scored_by_its_own_sample(shards: Path, tmp_path: Path) -> None:
    path = lines(tmp_path / "r.jsonl", answer("k2", HALF, tokens=7), answer("k0"), "", answer("k0", HALF, model="x"))
    out = tmp_path / "scores.jsonl"
    report = score_responses(path, shards, out)
    assert (report.responses, report.scored, report.missing, report.samples, report.unanswered) == (3, 3, 0, 4, 2)
    rows = [json.loads(line) for line in out.read_text().splitlines()]
    assert [(row["line"], row["key"], row["score"]) for row in rows] == [
        (1, "k2", 0.5), (2, "k0", 1.0), (4, "k0", 0.5),
    ]  # fmt: skip
    assert set(rows[0]) == {"line", "key", "data_source", "score", "components", "state", "reason", "metrics"}
    sources = [json.loads(line) for line in sources_path(out).read_text().splitlines()]
    assert [(row["data_source"], row["responses"]) for row in sources] == [("coco/grounding", 2), ("synth\x1b[2J", 1)]
    assert sources[1]["tokens"] == 7.0
    assert report.as_dict()["all"]["score"] == pytest.approx(sum(row["score"] for row in rows) / 3)
    assert json.loads(json.dumps(report.as_dict()))["by_source"]["coco/grounding"]["recall_50"] == 1.0


def test_what_cannot_be_scored_is_counted_by_why(shards: Path, tmp_path: Path) -> None:
    problems: list[tuple[int, str]] = []
    rows = [answer("k0"), answer("k3"), answer("nobody"), "{", "[]", answer("k0", tokens=-1), {"key": "k0"}]
    report = score_responses(lines(tmp_path / "r", *rows), shards, complain=lambda *problem: problems.append(problem))
    assert (report.scored, report.missing, report.unknown_keys, report.bad_lines) == (1, 1, 1, 4)
    assert report.responses == report.scored + report.missing + report.unknown_keys + report.bad_lines
    assert (report.missing_share, report.unanswered, report.unknown) == (0.5, 2, ["nobody"])
    assert "k3: no verifier is called 'detecton'" in report.reasons[0]
    assert [number for number, _ in problems] == [4, 5, 6, 7]
    assert "not JSON" in problems[0][1]
    assert "tokens" in problems[2][1]


def test_one_shard_and_annotated_samples_are_taken(shards: Path, tmp_path: Path) -> None:
    tar = sorted(shards.glob("shards/*.tar"))[0]
    report = score_responses(lines(tmp_path / "r", answer("k0"), answer("k2")), tar)
    assert (report.samples, report.scored, report.unknown_keys) == (2, 1, 1)
    annotated = write(tmp_path / "annotated", [[rl("a", kind="annotated")]])
    assert score_responses(lines(tmp_path / "s", answer("a")), annotated).scored == 1


def test_progress_reaches_schedules(tmp_path: Path) -> None:
    staged = Verifier(name="detection-f1", params_json='{"format": "qwen3-vl", "threshold": "v-triune"}')
    shards = write(tmp_path / "rl", [[rl("k", verifier=staged)]])
    near = '[{"bbox_2d": [100, 100, 600, 550], "label": "cat"}]'
    path = lines(tmp_path / "r", answer("k", near))
    scores = [score_responses(path, shards, progress=progress).monitor.total()["score"] for progress in (0.1, 0.2)]
    assert scores == [1.0, 0.0]


def test_what_the_model_saw_is_taken(tmp_path: Path) -> None:
    pixels = Verifier(name="detection", params_json='{"format": "qwen2.5-vl"}')
    shards = write(tmp_path / "rl", [[rl("k", verifier=pixels, input_width=50, input_height=50)]])
    seen = '[{"bbox_2d": [5, 5, 30, 30], "label": "cat"}]'
    assert score_responses(lines(tmp_path / "r", answer("k", seen)), shards).monitor.total()["score"] == 1.0


@pytest.mark.parametrize("rows", [[], [answer("nobody")], ["{"]])
def test_nothing_to_score_is_an_error_and_writes_nothing(shards: Path, tmp_path: Path, rows: list[Any]) -> None:
    out = tmp_path / "scores.jsonl"
    with pytest.raises(InputError, match=f"none of its {len(rows)} responses is to one of the 4 samples"):
        score_responses(lines(tmp_path / "r", *rows), shards, out)
    assert [path.name for path in tmp_path.iterdir()] == ["r"]


def test_other_inputs_are_refused(shards: Path, tmp_path: Path) -> None:
    path = lines(tmp_path / "r", answer("k0"))
    with pytest.raises(InputError, match="holds the responses"):
        score_responses(path, shards, path)
    with pytest.raises(InputError, match="No such file"):
        score_responses(tmp_path / "absent", shards)
    with pytest.raises(InputError, match=r"no plan.jsonl"):
        score_responses(path, tmp_path / "absent")
    sft = write(tmp_path / "sft", [[rl("k0", kind="sft", verifier=Verifier(), reward_model=RewardModel())]])
    with pytest.raises(InputError, match="holds sft samples"):
        score_responses(path, sft)


def test_a_damaged_sample_is_no_score(tmp_path: Path) -> None:
    shards = write(tmp_path / "rl", [[rl("k0")]])
    (tar,) = shards.glob("shards/*.tar")
    data = bytearray(tar.read_bytes())
    data[data.index(b'"ground_truth"') + 3] ^= 1
    tar.write_bytes(bytes(data))
    with pytest.raises(DamageError, match="not the one that was committed"):
        score_responses(lines(tmp_path / "r", answer("k0")), shards)


def test_memory_does_not_grow_with_the_rows(tmp_path: Path) -> None:
    shards = write(tmp_path / "rl", [[rl(f"k{number:04d}") for number in range(40)]])
    peaks = []
    for count in (100, 800):
        path = lines(tmp_path / "r", *[answer(f"k{number % 40:04d}") for number in range(count)])
        tracemalloc.start()
        score_responses(path, shards, tmp_path / "out.jsonl")
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < peaks[0] + 200_000, peaks


def test_the_table_has_a_row_a_source_and_says_what_was_left_out(shards: Path, tmp_path: Path) -> None:
    rows = [answer("k0"), answer("k2", HALF), answer("k3"), answer("no\x1bbody")]
    text = report_text(score_responses(lines(tmp_path / "r", *rows), shards))
    head, *table = text.split("\n\n")[0].splitlines()
    assert "MCC" not in head  # nothing was asked for that is absent
    values = [dict(zip(head.replace("data source", "source").split(), row.split(), strict=True)) for row in table]
    assert [row["source"] for row in values] == ["coco/grounding", "synth?[2J", "all"]
    assert (values[0]["score"], values[0]["missing"], values[2]["responses"]) == ("1.000", "0.500", "3")
    assert values[1]["accuracy"] == values[1]["score"]
    assert "4 responses to 3 of 4 samples" in text
    assert "1 scores are missing: k3: no verifier is called" in text
    assert "1 responses to no sample here: no?body" in text
    assert "1 samples without a response" in text
    assert "\x1b" not in text
