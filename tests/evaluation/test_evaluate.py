"""Responses evaluated by their samples: every line and sample accounted for, views, comparisons, exact resampling."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pe.errors import InputError
from pe.evaluation.compare import compare
from pe.evaluation.eval_figures import ALL, Part, result, sample_shares
from pe.evaluation.eval_settings import EvalSettings
from pe.evaluation.eval_table import comparison_markdown, result_markdown
from pe.evaluation.evaluate import Evaluation, evaluate
from pe.schemas.sample import RewardModel, Verifier
from tests.evaluation.rollouts import BOX, HALF, RIGHT, lines, rl, write

NONE = "There are no such objects."
TWICE = RIGHT[:-1] + ", " + RIGHT[1:]


@pytest.fixture(scope="module")
def shards(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Six samples about five pictures, in two sources, one of which no metric of boxes applies to."""
    text = {
        "verifier": Verifier(name="ocr", params_json='{"format": "text", "region": "none"}'),
        "reward_model": RewardModel(ground_truth='{"text": "hello world"}'),
        "data_source": "ocr\x1b[2J|x",
        "ability": "ocr",
    }
    absent = {"reward_model": RewardModel(ground_truth='{"objects": [], "negatives": ["cat"]}')}
    samples = [
        [rl("k0", 0), rl("k1", 0), rl("k2", 1)],
        [rl("k3", 2, **absent), rl("k4", 3), rl("t0", 4, **text)],
    ]
    return write(tmp_path_factory.mktemp("shards") / "rl", samples)


def answer(key: str, response: str = RIGHT, **more: Any) -> dict[str, Any]:
    return {"key": key, "response": response, **more}


def run(tmp_path: Path, shards: Path, *rows: Any, **options: Any) -> Evaluation:
    path = lines(tmp_path / "r.jsonl", *rows)
    return evaluate(path, shards, EvalSettings.model_validate(options))


def value(found: Evaluation, metric: str, figure: str, group: str = ALL) -> float | None:
    return result(found, 50, 0).groups[group][metric][figure].value


def test_every_line_and_every_sample_is_accounted_for(shards: Path, tmp_path: Path) -> None:
    problems: list[int] = []
    rows = [
        *(answer("k0"), answer("k0", sample=0), answer("k0", sample=1), answer("nobody"), "{", {"key": "k1"}),
        *(answer("k2", "", error="no picture"), answer("t0", "hello world"), answer("k1", truncated="yes")),
    ]
    path = lines(tmp_path / "r", *rows)
    found = evaluate(path, shards, EvalSettings(), lambda number, problem: problems.append(number))
    counts = found.counts
    assert {name: count for name, count in counts.items() if count} == {
        "lines": 9, "evaluated": 3, "repeated": 1, "unknown_keys": 1, "bad_lines": 3, "failed": 1,
        "samples": 6, "unanswered": 4,
    }  # fmt: skip
    parts = ("evaluated", "failed", "beyond", "repeated", "unknown_keys", "bad_lines", "unusable")
    assert counts["lines"] == sum(counts[name] for name in parts)
    assert problems == [5, 6, 9]
    assert found.reasons == ["k2: no picture"]
    text = result_markdown(result(found, 0, 0))
    assert "4 samples without a response" in text
    assert "1 given twice" in text


def test_a_metric_that_does_not_apply_says_so(shards: Path, tmp_path: Path) -> None:
    found = run(tmp_path, shards, answer("k0"), answer("t0", "hello wurld"))
    figures = result(found, 0, 0)
    described = figures.as_dict()["metrics"]
    assert (described["box-f1-one-to-one"]["applies"], described["box-f1-one-to-one"]["does not apply"]) == (1, 1)
    assert (described["ocr-text-edit-distance"]["applies"], described["coco-ap-mask"]["applies"]) == (1, 0)
    assert "coco-ap-mask" not in figures.groups[ALL]
    assert "coco-ap-mask" in result_markdown(figures).rsplit("Of no use here:", 1)[1]
    assert figures.groups[ALL]["ocr-text-edit-distance"]["CER"].value == pytest.approx(1 / 11)
    assert figures.groups["ocr\x1b[2J|x"].keys() >= {"ocr-text-edit-distance", "reward"}
    assert "box-f1-one-to-one" not in figures.groups["ocr\x1b[2J|x"]


def test_names_from_the_data_steer_nothing(shards: Path, tmp_path: Path) -> None:
    text = result_markdown(result(run(tmp_path, shards, answer("k0"), answer("t0", "x")), 0, 0))
    assert "\x1b" not in text
    assert "ocr?[2J?x" in text


def test_the_unit_of_resampling_is_the_image(shards: Path, tmp_path: Path) -> None:
    same = run(tmp_path, shards, answer("k0"), answer("k1", HALF))
    estimate = result(same, 200, 0).groups[ALL]["box-f1-one-to-one"]["F1@mean"]
    assert estimate.value == pytest.approx((1 + 1 / 10) / 2)
    assert estimate.low is None  # two samples of one image are no sample of images
    two = run(tmp_path, shards, answer("k0"), answer("k2", HALF))
    estimate = result(two, 200, 0).groups[ALL]["box-f1-one-to-one"]["F1@mean"]
    assert (estimate.low, estimate.high) == (pytest.approx(0.1), pytest.approx(1.0))


def test_several_responses_count_as_one_sample(shards: Path, tmp_path: Path) -> None:
    rows = [answer("k0", RIGHT), answer("k0", NONE), answer("k2", RIGHT), answer("k2", RIGHT)]
    found = run(tmp_path, shards, *rows)
    assert value(found, "box-f1-one-to-one", "recall@.50") == 0.75
    assert value(found, "coco-ap", "AP") == pytest.approx(np.mean([1.0] * 76 + [0.0] * 25))
    assert value(found, "objects-a-response", "objects") == 0.75
    uneven = run(tmp_path, shards, *rows, answer("k0", NONE), answer("k0", NONE))
    assert value(uneven, "box-f1-one-to-one", "recall@.50") == (0.25 + 1) / 2
    first = run(tmp_path, shards, *rows, samples=1)
    assert (value(first, "box-f1-one-to-one", "recall@.50"), first.counts["beyond"]) == (1.0, 2)


def test_best_of_several_and_without_duplicates(shards: Path, tmp_path: Path) -> None:
    rows = [answer("k0", HALF), answer("k0", TWICE), answer("k0", RIGHT), answer("k2", TWICE), answer("k2", HALF)]
    views = result(run(tmp_path, shards, *rows), 0, 0).views
    assert list(views) == ["as answered", "without duplicates", "best of 3", "best of 3, without duplicates"]
    precision = {view: figures["box-f1-one-to-one"]["precision@.50"].value for view, figures in views.items()}
    assert precision["without duplicates"] == 1.0
    assert precision["as answered"] == pytest.approx(2 / (4 / 3 + 3 / 2))
    # k0's best is the one without the copy; of k2's the copy (2/3) beats the half box (1/2)
    assert precision["best of 3"] == pytest.approx(2 / 3)
    assert precision["best of 3, without duplicates"] == 1.0
    recall = {view: figures["box-f1-one-to-one"]["recall@mean"].value for view, figures in views.items()}
    assert recall["best of 3"] == 1.0
    assert result(run(tmp_path, shards, answer("k0")), 0, 0).views == {}


def test_the_order_of_lines_changes_nothing(shards: Path, tmp_path: Path) -> None:
    rows = [answer("k0", HALF), answer("k1"), answer("k2", TWICE), answer("k3"), answer("k4", NONE)]
    first, second = (
        result(run(tmp_path, shards, *some), 30, 0).as_dict()["groups"] for some in (rows, list(reversed(rows)))
    )
    for metric, figures in first[ALL].items():
        for figure, found in figures.items():
            assert found["value"] == pytest.approx(second[ALL][metric][figure]["value"], abs=1e-12), (metric, figure)


def test_resampling_equals_evaluating_the_drawn_images(tmp_path: Path) -> None:
    """A draw that has an image twice gives the figures of a set in which it is there twice, for every metric."""
    texts = [RIGHT, HALF, TWICE, NONE, '[{"bbox_2d": [0, 0, 990, 990], "label": "dog", "score": 0.5}]']
    truths = [{"objects": [{"phrase": "cat", "bbox": BOX}, {"phrase": "dog", "bbox": (60, 60, 90, 90)}]}] * 4
    truths = [*truths, {"objects": [], "negatives": ["cat"]}]
    samples = [
        rl(f"k{number}", number, reward_model=RewardModel(ground_truth=json.dumps(one)))
        for number, one in enumerate(truths)
    ]
    shards = write(tmp_path / "once", [samples])
    found = run(tmp_path, shards, *(answer(f"k{number}", text) for number, text in enumerate(texts)))
    drawn = [2, 0, 1, 0, 2]
    copies = [
        rl(f"{one.key}-{copy}", 10 * number + copy + 5, reward_model=one.reward_model)
        for number, (one, times) in enumerate(zip(samples, drawn, strict=True))
        for copy in range(times)
    ]
    again = write(tmp_path / "drawn", [copies])
    rows = [answer(f"k{n}-{c}", texts[n]) for n, times in enumerate(drawn) for c in range(times)]
    expected = result(run(tmp_path, again, *rows), 0, 0).groups[ALL]
    compared = 0
    for name, kept in found.metrics.items():
        part = Part.of(found, kept, sample_shares(found, best=False))
        if not len(part.rows) or name not in expected:
            continue
        total = kept.metric.totals(part.rows, part.images, part.shares)(np.array([drawn], np.float64))
        for figure, values in total.items():
            compared += 1
            ours = None if np.isnan(values[0]) else float(values[0])
            # equal scores: copies of an answer stand together in both
            assert ours == pytest.approx(expected[name][figure].value, abs=1e-9), (name, figure)
    assert compared > 50


def test_two_runs_side_by_side(shards: Path, tmp_path: Path) -> None:
    first = run(tmp_path, shards, *(answer(key, HALF) for key in ("k0", "k1", "k2", "k4")))
    second = run(tmp_path, shards, *(answer(key, RIGHT) for key in ("k0", "k2", "k3", "k4")))
    found = compare(first, second, 200, 0)
    assert (found.common, found.only_first, found.only_second) == (3, 1, 1)
    difference = found.groups[ALL]["box-f1-one-to-one"]["F1@mean"]
    assert (difference.first.value, difference.second.value) == (pytest.approx(0.1), 1.0)
    assert difference.difference.value == pytest.approx(0.9)
    assert difference.difference.low == difference.difference.high == pytest.approx(0.9)  # every draw says the same
    assert difference.clear
    assert not found.groups[ALL]["box-f1-one-to-one"]["F1@.50"].clear
    text = comparison_markdown(found, second, "a|b", "c")
    assert "0.900 *" in text
    assert "A is a?b" in text
    with pytest.raises(InputError, match="no sample in common"):
        compare(run(tmp_path, shards, answer("k0")), run(tmp_path, shards, answer("k1")), 10, 0)


def test_a_run_against_itself_does_not_differ(shards: Path, tmp_path: Path) -> None:
    found = run(tmp_path, shards, answer("k0", HALF), answer("k2"), answer("k3"), answer("t0", "hello"))
    for figures in compare(found, found, 50, 0).groups.values():
        for metric in figures.values():
            for difference in metric.values():
                assert difference.difference.value in (None, 0.0)
                assert not difference.clear


def test_distractors_are_known_from_scenes(tmp_path: Path) -> None:
    everything = json.dumps([
        {"id": 0, "phrase": "cat", "bbox": BOX},
        {"id": 1, "phrase": "dog", "bbox": (70.0, 70.0, 90.0, 90.0)},
    ])  # fmt: skip
    scenes = write(tmp_path / "scenes", [[rl("s", 0, kind="annotated", objects_json=everything)]])
    shards = write(tmp_path / "rl", [[rl("k0", 0), rl("k1", 1)]])
    both = '[{"bbox_2d": [700, 700, 900, 900], "label": "cat"}, {"bbox_2d": [0, 900, 50, 990], "label": "cat"}]'
    found = run(tmp_path, shards, answer("k0", both), answer("k1", both), scenes=scenes)
    assert value(found, "off-target", "off-target") == 1.0
    assert value(found, "off-target", "on others") == 0.5
    blind = run(tmp_path, shards, answer("k0", both))
    assert value(blind, "off-target", "on others") is None


def test_nothing_to_evaluate_is_an_error(shards: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"no response can be evaluated .*1 unknown keys"):
        run(tmp_path, shards, answer("nobody"))
    with pytest.raises(InputError, match="No such file"):
        evaluate(tmp_path / "absent", shards, EvalSettings())
    bad = write(tmp_path / "bad", [[rl("k0", verifier=Verifier(name="detecton"))]])
    with pytest.raises(InputError, match=r"1 unusable.*no verifier is called 'detecton'"):
        run(tmp_path, bad, answer("k0"))


def test_settings() -> None:
    assert EvalSettings.model_validate({"metrics": "coco-ap, cgf1-box"}).metrics == ("coco-ap", "cgf1-box")
    with pytest.raises(ValueError, match="did you mean coco-ap"):
        EvalSettings.model_validate({"metrics": "coco-app"})
    assert EvalSettings().most_samples is None
    assert EvalSettings(samples=4).most_samples == 4
    assert EvalSettings(samples=4, seed=3).generation().seed == 3


HOSTILE = [
    '[{"bbox_2d": [1e308, -1e308, 1e308, 1e308], "label": "cat"}]',
    '[{"bbox_2d": [-1e308, -1e308, 1e308, 1e308], "label": "cat"}]' + RIGHT,
    '[{"bbox_2d": [NaN, 1, 2, 3], "label": "cat"}]',
    '[{"point_2d": [1e300, 3], "label": "cat"}]',
    "[" * 5000,
    '[{"bbox_2d": [600, 600, 100, 100], "label": "cat"}]',
    '[{"bbox_2d": [1, 1, 1, 1], "label": ""}]' * 3,
    "\0\ud800|",
    "",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_hostile_text(shards: Path, tmp_path: Path, text: str) -> None:
    found = run(tmp_path, shards, answer("k0", text), answer("k2", text), answer("k3", text), answer("t0", text))
    figures = result(found, 10, 0)
    assert json.loads(json.dumps(figures.as_dict(), allow_nan=False))
    for metric in ("box-f1-one-to-one", "coco-ap", "off-target", "duplicate-ratio"):
        for figure in figures.groups[ALL][metric].values():
            assert figure.value is None or 0 <= figure.value <= 3  # boxes a response


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from([RIGHT, HALF, TWICE, NONE, *HOSTILE]), min_size=4, max_size=4))
def test_any_texts(shards: Path, tmp_path_factory: pytest.TempPathFactory, texts: Sequence[str]) -> None:
    rows = [answer(key, text) for key, text in zip(("k0", "k2", "k3", "t0"), texts, strict=True)]
    found = result(run(tmp_path_factory.getbasetemp(), shards, *rows), 5, 0)
    for figures in found.groups[ALL].values():
        for figure in figures.values():
            assert figure.low is None or figure.high is None or figure.low <= figure.high


def test_the_ratio_of_negatives_stands_with_cgf1_in_every_table(shards: Path, tmp_path: Path) -> None:
    """k3 asks for what is not there: one of two pairs, of one source of two."""
    found = run(tmp_path, shards, answer("k0"), answer("k3", NONE), answer("t0", "x"), answer("k0", HALF))
    text = result_markdown(result(found, 0, 0))
    assert "cgF1 (1:1.00)" in text
    assert "0.550 (1:1.00)" in text.split("by data source")[1]
    assert "best of 2" in text
    assert "1.000 (1:1.00)" in text.split("Otherwise counted")[1]


def test_a_truth_that_only_a_metric_cannot_use_is_accounted_for(tmp_path: Path) -> None:
    """A point verifier asks for points; a metric would look whether they are on a mask that has no pixel."""
    empty = {"phrase": "cat", "point": [5, 5], "rings": [[5, 5, 5, 5, 5, 5]]}
    odd = rl(
        "k0",
        verifier=Verifier(name="point-distance", params_json='{"format": "molmo"}'),
        reward_model=RewardModel(ground_truth=json.dumps({"objects": [empty]})),
    )
    shards = write(tmp_path / "rl", [[odd, rl("k1")]])
    found = run(tmp_path, shards, answer("k0", '<point x="5" y="5" alt="cat">cat</point>'), answer("k1"))
    assert (found.counts["unusable"], found.counts["evaluated"]) == (1, 1)
    assert "mask without a pixel" in found.reasons[0]
