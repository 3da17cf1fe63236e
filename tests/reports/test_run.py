from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from pe.errors import InputError
from pe.reports.curves import curves
from pe.reports.rollouts import rollout_cards
from pe.reports.run import is_run, run_page
from tests.reports import runs
from tests.reports.browser import browse
from tests.reports.outputs import HOSTILE

_SEEN = """
  const visible = (name) => [...inside.querySelectorAll(name)]
    .filter((element) => frame.contentWindow.getComputedStyle(element).display !== "none");
  return {
    title: inside.title, pwned: frame.contentWindow.pwned === undefined ? 0 : 1,
    charts: visible("#curves .chart").map((chart) => chart.dataset.name),
    lines: visible("#curves polyline, #curves .dot").length,
    readings: visible("#curves .chart p").map((line) => line.textContent),
    keys: visible("article code").map((code) => code.textContent),
    scores: visible("article .score").map((score) => score.textContent),
    images: visible("article img").map((image) => image.naturalWidth),
    answers: visible("rect.of-answer").length, truths: visible("rect.truth").length,
    rings: visible("path.truth").length, labels: visible(".label").map((label) => label.textContent),
    words: visible("article .words").map((words) => words.textContent),
    facts: inside.getElementById("facts").textContent, count: inside.getElementById("count").textContent,
    foreign: inside.querySelectorAll("img[src=x], [onerror], a[href]").length,
    others: inside.querySelectorAll("#others .chart").length, more: inside.getElementById("more").textContent,
    sources: [...inside.getElementById("source").options].map((option) => option.value),
    nothing: !inside.getElementById("nothing").hidden, hash: frame.contentWindow.location.hash,
  };
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = runs.write(tmp_path_factory.mktemp("runs") / "a & b")
    (folder / "view.html").write_text(run_page(folder, 0)[0], "utf-8")
    return folder


def _data(content: str) -> Any:
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', content, re.DOTALL)
    assert match
    return json.loads(match[1])


def test_the_page_holds_everything_and_refers_to_nothing(run: Path) -> None:
    content, counts = run_page(run, 0)
    assert counts == {"stages": 2, "steps": 1031, "rollouts": 5}
    assert "<h1>a &amp; b</h1>" in content
    assert "tiny · cpu · 2 stages · 1,031 steps" in content
    assert not re.search(r"<(img|link|iframe)\b|\b(src|href)=", content.replace("img src=x", ""))
    data = _data(content)
    assert [stage["name"] for stage in data["stages"]] == ["sft", "rl"]
    assert data["stages"][0]["facts"] == ["sft, finished, 1,000 steps logged"]
    assert data["stages"][1]["facts"] == ["grpo, not finished, 31 steps logged, 5 of 5 rollouts shown"]
    assert set(data["pictures"]) == {"rl/a-1", "rl/b-2", "rl/c-3", "rl/../../b-2"}


def test_curves_have_a_line_a_source_and_few_points(run: Path) -> None:
    found, last = curves(run / "sft/metrics.jsonl")
    assert last == 1000
    assert [curve["name"] for curve in found] == ["loss", "learning_rate"]
    points = found[0]["lines"][0]["points"]
    assert len(points) == 334
    assert points[0] == (3, pytest.approx((4 / 1 + 4 / 2 + 4 / 3) / 3))
    assert points[-1] == (1000, pytest.approx(4 / 1000))
    found, last = curves(run / "rl/metrics.jsonl")
    by_name = {curve["name"]: curve for curve in found}
    assert last == 31
    assert "epoch" not in by_name
    assert [line["source"] for line in by_name["score"]["lines"]] == [HOSTILE, "world/detect", "world/point"]
    assert by_name["completions/mean_length"]["lines"][0]["source"] == ""
    assert by_name["loss"]["lines"][0]["points"][-1] == (30, 0.1), "a loss that is no number is not drawn"


def test_of_lines_about_one_step_the_last_counts(tmp_path: Path) -> None:
    path = tmp_path / "metrics.jsonl"
    path.write_text(
        '{"step": 1, "loss": 3}\nnot JSON\n[1]\n{"step": "2", "loss": 9}\n{"step": 1, "loss": 2.5}\n{"step": 2, "lo'
    )
    assert curves(path) == ([{"name": "loss", "main": True, "lines": [{"source": "", "points": [(1, 2.5)]}]}], 1)
    assert curves(tmp_path / "none") == ([], 0)


def test_answers_are_read_as_the_row_says(run: Path) -> None:
    cards, total = rollout_cards(run / "rl", 0)
    assert total == 5
    cat, dog = cards[1]["answers"]
    assert (cat["phrase"], dog["phrase"]) == ("cat", "dog")
    assert cat["bbox"] == pytest.approx([2, 2, 20, 12], abs=0.05)
    assert cards[1]["truths"][0]["path"] == "M2 2L20 2L20 12L2 12Z"
    assert cards[1]["negatives"] == ["unicorn"]
    assert (cards[1]["score"], cards[1]["advantage"]) == (0.97, 1.25)
    assert (cards[2]["score"], cards[2]["components"], cards[2]["answers"]) == (None, {"accuracy": None}, [])
    assert cards[4]["score"] is None


@pytest.mark.parametrize(("limit", "steps"), [(2, [1, 11]), (3, [1, 11, 21]), (9, [1, 11, 11, 21, 21])])
def test_rollouts_are_spread_over_the_stage(run: Path, limit: int, steps: list[int]) -> None:
    assert [card["step"] for card in rollout_cards(run / "rl", limit)[0]] == steps


def test_a_run_without_rollouts_or_pictures_or_anything(tmp_path: Path) -> None:
    folder = runs.write(tmp_path / "run")
    for path in (folder / "rl/pictures").iterdir():
        path.unlink()
    cards, total = rollout_cards(folder / "rl", 0)
    assert total == 5
    assert all(not card["answers"] for card in cards)
    assert _data(run_page(folder, 0)[0])["pictures"] == {}
    (folder / "environment.json").unlink()
    (folder / "rl/rollouts.jsonl").unlink()
    assert run_page(folder, 0)[1]["rollouts"] == 0
    empty = tmp_path / "empty"
    empty.mkdir()
    assert not is_run(empty)
    (empty / "run.yaml").write_text("train: {stages: 3}")
    assert run_page(empty, 0)[1] == {"stages": 0, "steps": 0, "rollouts": 0}
    (empty / "run.yaml").write_text("train: {")
    with pytest.raises(InputError, match="cannot be read"):
        run_page(empty, 0)


def test_a_stage_outside_the_folder_is_not_read(tmp_path: Path) -> None:
    folder = runs.write(tmp_path / "run")
    other = tmp_path / "other"
    other.mkdir()
    (other / "run.yaml").write_text("train: {stages: [{kind: sft, name: ../run/sft}]}")
    assert (other / "../run/sft/metrics.jsonl").is_file()
    assert run_page(other, 0)[1]["stages"] == 0
    assert run_page(folder, 0)[1]["stages"] == 2


def test_in_a_browser(run: Path, tmp_path: Path) -> None:
    seen = browse(run / "view.html", "", tmp_path, _SEEN)
    assert seen["title"] == "a & b · run"
    assert seen["charts"] == ["loss", "reward", "completions/mean_length", "score", "presence_mcc"]
    assert seen["lines"] == 7
    assert seen["readings"][1] == "0.9"
    assert seen["readings"][3] == f"{HOSTILE} 0.25world/detect 0.75world/point 0.5"
    assert seen["keys"] == ["c-3", "../../b-2", "a-1", "b-2", "a-1"]
    assert seen["scores"] == ["0.500", "no score", "0.970", "no score", "0.125"]
    assert seen["images"] == [48] * 5
    assert (seen["answers"], seen["truths"], seen["rings"]) == (6, 9, 4)
    assert (seen["pwned"], seen["foreign"]) == (0, 0)
    assert HOSTILE in seen["labels"]
    assert "advantage 1.25" in seen["words"][2]
    assert "Not there: unicorn" in seen["words"][2]
    assert seen["count"] == "5 of 5 rollouts"
    assert seen["sources"] == ["", HOSTILE, "world/detect", "world/point"]


def test_the_address_chooses_stage_source_and_order(run: Path, tmp_path: Path) -> None:
    seen = browse(run / "view.html", "#stage=rl&source=world%2Fdetect&sort=worst&truths=0&labels=0", tmp_path, _SEEN)
    assert seen["scores"] == ["no score", "no score", "0.125", "0.970"]
    assert (seen["answers"], seen["truths"], seen["labels"]) == (5, 0, [])
    assert seen["readings"][3] == "world/detect 0.75"
    seen = browse(run / "view.html", "#stage=sft", tmp_path, _SEEN)
    assert seen["charts"] == ["loss", "learning_rate"]
    assert seen["nothing"]


def test_choosing_is_remembered_in_the_address(run: Path, tmp_path: Path) -> None:
    script = """
    const set = (name, value) => {
      const field = inside.getElementById(name);
      if (field.type === "checkbox") field.checked = value; else field.value = value;
      field.dispatchEvent(new Event("input", {bubbles: true}));
    };
    set("sort", "best"); set("answers", false);
    """
    seen = browse(run / "view.html", "#stage=rl", tmp_path, script + _SEEN)
    assert seen["hash"] == "#stage=rl&sort=best&answers=0"
    assert seen["scores"][0] == "0.970"
    assert (seen["answers"], seen["truths"]) == (0, 9)


def test_no_script_but_its_own_runs(run: Path, tmp_path: Path) -> None:
    content = (run / "view.html").read_text("utf-8")
    attack = "<script>window.pwned=1</script><img src=data:, onerror='window.pwned=1'></body>"
    for policy, pwned in ((True, 0), (False, 1)):
        folder = tmp_path / str(policy)
        folder.mkdir()
        kept = content if policy else re.sub(r"<meta http-equiv[^>]*>", "", content)
        (folder / "view.html").write_text(kept.replace("</body>", attack), "utf-8")
        assert browse(folder / "view.html", "", folder, _SEEN)["pwned"] == pwned
