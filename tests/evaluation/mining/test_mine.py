from __future__ import annotations

import json
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from pe.errors import InputError
from pe.evaluation.mining import MineSettings, mine
from pe.evaluation.mining.table import MineSummary
from pe.schemas.sample import Sample, Verifier
from pe.shards.output import Output
from pe.shards.read import read_shard
from pe.shards.verify import verify_output
from tests.evaluation.generation.servers import Server, ask
from tests.evaluation.rollouts import rl, write

pytest.importorskip("openai")


class Quiet:
    """A reporter that says nothing."""

    def planning(self, *_: object) -> None: ...
    def started(self, *_: object) -> None: ...
    def advanced(self, *_: object) -> None: ...
    def note(self, *_: object) -> None: ...


ROWS = [
    ask("never", "p=0 greedy=0"),
    ask("always", "p=1 greedy=1"),
    ask("often", "p=0.7 greedy=1"),
    ask("seldom", "p=0.4 greedy=0", data_source="other"),
    ask("half", "half p=0 greedy=0", data_source="other"),
    ask("broken", verifier=Verifier(name="detecton"), data_source="other"),
]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("mine") / "rl", [ROWS[:4], ROWS[4:5]])


def run(server: Server, on: Path, out: Path, **settings: Any) -> MineSummary:
    given = {"model": "m", "on": on, "out": out, "url": server.url, **settings}
    found = mine(MineSettings.model_validate(given), Quiet())
    assert found is not None
    return found


def kept(out: Path) -> list[Sample]:
    return [sample for tar in Output(out).shards() for sample, _ in read_shard(tar)]


def test_rows_are_kept_measured_and_accounted_for(server: Server, shards: Path, tmp_path: Path) -> None:
    out = tmp_path / "mined"
    server.stats()
    summary = run(server, shards, out, samples=16)
    asked = Counter(text for text, _, _ in server.stats()["asked"])
    assert set(asked.values()) == {17}
    assert [sample.key for sample in kept(out)] == ["often", "seldom"]
    lines = {line["key"]: line for line in map(json.loads, (out / "difficulty.jsonl").read_text().splitlines())}
    assert list(lines) == ["never", "always", "often", "seldom", "half"]
    assert lines["always"] == {"key": "always", "pass_rate": 1.0, "mean": 1.0, "best": 1.0, "greedy": 1.0}
    assert (lines["half"]["pass_rate"], lines["half"]["mean"], lines["half"]["greedy"]) == (1.0, 0.5, 0.5)
    assert 0 < lines["seldom"]["pass_rate"] < lines["often"]["pass_rate"] < 1
    assert (lines["seldom"]["greedy"], lines["often"]["greedy"]) == (0.0, 1.0)
    assert verify_output(Output(out)).whole
    counts = summary.run.total
    assert (counts.inputs, counts.written, counts.filtered) == (5, 2, {"pass_rate_high": 2, "pass_rate_low": 1})
    figures = json.loads(summary.to_json())
    assert figures["by_source"]["other"] | {"pass_rate": 0, "mean": 0, "best": 0} == {
        "rows": 2, "unknown": 0, "none_right": 0, "some_right": 1, "all_right": 1, "kept": 1, "greedy": 0.25,
        "dropped": {"pass_rate_high": 1}, "pass_rate": 0, "mean": 0, "best": 0,
    }  # fmt: skip
    assert figures["all"]["rows"] == sum(source["rows"] for source in figures["by_source"].values())


def test_a_kept_row_says_what_was_measured_and_is_else_the_same(server: Server, shards: Path, tmp_path: Path) -> None:
    run(server, shards, tmp_path / "mined", samples=4, keep=["pass-rate:min=0"])
    found = kept(tmp_path / "mined")
    assert [sample.key for sample in found] == [sample.key for sample in ROWS[:5]]
    mined = json.loads(found[1].provenance_json)["mined"]
    assert mined == {
        "model": "m", "samples": 4, "temperature": 1.0, "pass_at": 0.5,
        "pass_rate": 1.0, "mean": 1.0, "best": 1.0, "greedy": 1.0,
    }  # fmt: skip
    before = {sample.key: sample for sample in kept(shards)}
    assert all(
        sample.model_copy(update={"provenance_json": before[sample.key].provenance_json}) == before[sample.key]
        for sample in found
    )


def test_nothing_is_asked_or_written_twice(server: Server, shards: Path, tmp_path: Path) -> None:
    out = tmp_path / "mined"
    run(server, shards, out, samples=4)
    before = {path: path.read_bytes() for path in out.rglob("*") if path.is_file()}
    server.stats()
    summary = run(server, shards, out, samples=4)
    assert server.stats()["asked"] == []
    assert (summary.run.run.inputs, summary.run.total.inputs) == (0, 5)
    assert {path: path.read_bytes() for path in out.rglob("*") if path.is_file()} == before
    with pytest.raises(InputError, match="keep"):
        run(server, shards, out, samples=4, keep=["reward-sum"])
    again = run(server, shards, tmp_path / "again", samples=4, keep=["reward-sum"], answers=out / "cache")
    assert server.stats()["asked"] == []
    lines = map(json.loads, (out / "difficulty.jsonl").read_text().splitlines())
    wanted = [line["key"] for line in lines if 2 <= 4 * line["mean"] <= 10]
    assert [sample.key for sample in kept(tmp_path / "again")] == wanted
    assert 0 < again.total().kept == len(wanted) < 5


def test_new_shards_are_added(server: Server, shards: Path, tmp_path: Path) -> None:
    on, out = tmp_path / "rl", tmp_path / "mined"
    shutil.copytree(shards, on)
    second = Output(on).shards()[1]
    hidden = [second, second.with_suffix(".json")]
    for path in hidden:
        path.rename(tmp_path / path.name)
    assert run(server, on, out, samples=3).run.total.inputs == 4
    for path in hidden:
        (tmp_path / path.name).rename(path)
    server.stats()
    summary = run(server, on, out, samples=3)
    assert {text.split()[5] for text, _, _ in server.stats()["asked"]} == {"half?"}
    assert (summary.run.run.inputs, summary.run.total.inputs, summary.run.total.shards) == (1, 5, 2)
    assert verify_output(Output(out)).whole


def test_what_cannot_be_scored_is_put_aside(server: Server, tmp_path: Path) -> None:
    rows = [ask("good", "p=0.5 greedy=0"), ROWS[5]]
    summary = run(server, write(tmp_path / "rl", [rows]), tmp_path / "mined", samples=4, keep=["pass-rate:min=0"])
    assert summary.run.total.quarantined == {"score_missing": 1}
    assert summary.run.too_many_quarantined
    line = json.loads((tmp_path / "mined" / "difficulty.jsonl").read_text().splitlines()[1])
    assert line == {
        "key": "broken", "pass_rate": None, "mean": None, "best": None, "greedy": None, "reason": "score_missing"
    }  # fmt: skip
    (put,) = (tmp_path / "mined" / "quarantine").glob("*.jsonl")
    assert "detecton" in put.read_text()
    assert verify_output(Output(tmp_path / "mined")).whole


def test_parameters_components_and_the_threshold_of_right(server: Server, tmp_path: Path) -> None:
    verifier = Verifier(name="v-triune-detection", params_json='{"format": "qwen3-vl"}')
    shards = write(tmp_path / "rl", [[ask("half", "half p=0 greedy=0", verifier=verifier)]])
    strict = run(server, shards, tmp_path / "a", samples=2, greedy=False)
    assert strict.total().figures()["mean"] < 0.5
    loose = run(server, shards, tmp_path / "b", samples=2, params={"threshold": 0.5}, component="accuracy")
    assert loose.total().figures()["mean"] == pytest.approx(0.7 * 0.5 + 0.3)
    assert loose.total().all == 1
    assert run(server, shards, tmp_path / "c", samples=2, params={"threshold": 0.5}, pass_at=0.9).total().none == 1
    with pytest.raises(InputError, match=r"no component 'iou' \(it has accuracy, format"):
        run(server, shards, tmp_path / "d", component="iou")
    with pytest.raises(InputError, match="it takes"):
        run(server, shards, tmp_path / "d", params={"nonsense": 1})


def test_rows_that_are_none_of_rl_are_refused(server: Server, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds annotated samples"):
        run(server, write(tmp_path / "annotated", [[rl("a", kind="annotated")]]), tmp_path / "mined")


def test_settings_in_words() -> None:
    given: dict[str, Any] = {"model": "m", "on": "rl", "out": "mined"}
    settings = MineSettings.model_validate({**given, "params": ["threshold=0.5", "name=x"]})
    assert settings.params == {"threshold": 0.5, "name": "x"}
    assert (settings.sampled().heat, settings.greedily().heat, settings.greedily().samples) == (1.0, 0.0, 1)
    for bad, words in (
        ({"params": ["threshold"]}, "KEY=VALUE"),
        ({"keep": ["greedy-wrong"], "greedy": False}, "no-greedy"),
        ({"sample": 3}, "sample"),
    ):
        with pytest.raises(ValueError, match=words):
            MineSettings.model_validate({**given, **bad})
