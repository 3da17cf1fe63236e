from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

pytest.importorskip("torch")
pytest.importorskip("trl")

from pe.errors import InputError, ModelError
from pe.evaluation.vlm import Vlm, load_vlm
from pe.schemas.sample import RewardModel, Verifier
from pe.training.checks import batch
from pe.training.checks.start import StartReport, check_start
from pe.training.settings import TrainSettings
from tests import vlms
from tests.training.checks import row_sets


@pytest.fixture(scope="module", params=list(vlms.FAMILIES))
def vlm(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Vlm:
    return load_vlm(str(vlms.FAMILIES[request.param](tmp_path_factory.mktemp("vlm"))), "cpu")


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Vlm:
    return load_vlm(str(vlms.qwen2_5_vl(tmp_path_factory.mktemp("qwen"))), "cpu")


def _check(tmp_path: Path, vlm: Any, samples: list[Any], form: str = "rexomni", **stage: Any) -> StartReport:
    kind = samples[0][0].kind
    values = {
        "model": "tiny",
        "out": tmp_path / "run",
        "format": form,
        "stages": [{"kind": kind.replace("rl", "grpo"), **stage}],
    }
    settings = TrainSettings.model_validate(values)
    return check_start(settings, settings.stages[0], vlm, row_sets.write(tmp_path / "rows", samples))


def test_supervised_rows_of_every_family(vlm: Vlm, tmp_path: Path) -> None:
    samples = [row_sets.row(number, "sft") for number in range(6)]
    report = _check(tmp_path, vlm, samples, shuffle=False)
    assert (report.rows, report.sampled, report.ceilings, report.notes) == (6, 6, 0, [])
    assert len(report.tokens) == 4
    folder = tmp_path / "run/sft/first_batch"
    assert sorted(path.name for path in folder.iterdir()) == [
        *(f"{sample.key}.png" for sample, _ in samples[:4]),
        "index.html",
    ]
    page = report.page.read_text("utf-8")
    pictures = int(re.findall(r"\[picture: (\d+) tokens\]", page)[0])
    assert pictures in (9, 12)  # 48 x 48 or 64 x 48 pixels, 16 x 16 of them a token
    assert "Detect cat, unicorn." in page
    assert f"{pictures} of them the picture&#x27;s; the answer reads as 1 objects (ok)" in page
    assert "&lt;|object_ref_start|&gt;cat&lt;|object_ref_end|&gt;" in page


def test_rl_rows_of_every_family(vlm: Vlm, tmp_path: Path) -> None:
    samples = [row_sets.row(number, "rl") for number in range(5)]
    report = _check(tmp_path, vlm, samples)
    assert (report.rows, report.ceilings, report.moves, report.notes) == (5, 5, (1.0,), [])
    assert "the answer reads as 1 objects (ok)" in report.page.read_text("utf-8")


def test_the_answer_is_drawn_where_it_is(qwen: Vlm, tmp_path: Path) -> None:
    sample, picture = row_sets.row(0, "rl")
    _check(tmp_path, qwen, [(sample, picture)])
    with Image.open(tmp_path / "run/grpo/first_batch" / f"{sample.key}.png") as drawn:
        assert drawn.size == (480, 360)  # 40 x 30, twelve times as large
        edge = drawn.getpixel((4 * 12 + 1, 15 * 12))
        assert edge == drawn.getpixel((30 * 12 - 1, 10 * 12)) == drawn.getpixel((20 * 12, 20 * 12 - 1))
        assert edge != drawn.getpixel((2 * 12, 15 * 12))


def test_a_ceiling_that_differs_stops_the_run(qwen: Vlm, tmp_path: Path) -> None:
    samples = [row_sets.row(number, "rl") for number in range(5)]
    samples[3] = row_sets.row(3, "rl", ceilings_json="[[1.0,0.5]]")
    with pytest.raises(
        InputError, match=r"00003 .* built with a score of 0\.500000 at progress 1, and scores 0\.9\d+ now"
    ):
        _check(tmp_path, qwen, samples)
    samples[3] = row_sets.row(3, "rl", gold_text="nothing")
    with pytest.raises(InputError, match=r"00003 .* and scores 0\.\d+ now: build the rows again"):
        _check(tmp_path / "b", qwen, samples)
    samples[3] = row_sets.row(3, "rl", ceilings_json='{"a": 1}')
    with pytest.raises(InputError, match="00003: ceilings_json holds no pairs"):
        _check(tmp_path / "c", qwen, samples)


def test_a_gold_text_without_a_score_stops_the_run(qwen: Vlm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("openai")
    monkeypatch.delenv("PE_JUDGE_URL", raising=False)
    judge = Verifier(name="judge", params_json='{"model": "j"}')
    model = RewardModel(ground_truth='{"text": "a cat"}')
    row = row_sets.row(0, "rl", verifier=judge, gold_text="a cat", ceilings_json="[[1.0,1.0]]", reward_model=model)
    with pytest.raises(InputError, match=r"built with a score of 1\.000000, has no score now: .*PE_JUDGE_URL"):
        _check(tmp_path, qwen, [row])


def test_moves_of_a_schedule_are_reported(qwen: Vlm, tmp_path: Path) -> None:
    from pe.verifiers import Question, score, stages

    sample, picture = row_sets.row(0, "rl")
    verifier = sample.verifier.model_copy(update={"name": "v-triune-detection"})
    sample = sample.model_copy(update={"verifier": verifier})
    question = Question.of(sample)
    assert len(stages(question)) > 1
    ceilings = [[at, round(score(question, [sample.gold_text], at)[0].score or 0.0, 6)] for at in stages(question)]
    sample = sample.model_copy(update={"ceilings_json": str(ceilings)})
    assert _check(tmp_path, qwen, [(sample, picture)]).moves == stages(question)


def test_rows_written_for_another_size_stop_the_run(qwen: Vlm, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"seen as 84 x 56, and this model's processor makes 64 x 48"):
        _check(tmp_path, qwen, [row_sets.row(0, "sft", "qwen2.5-vl")], form="")


def test_coordinates_that_are_no_tokens(tmp_path: Path) -> None:
    plain = load_vlm(str(vlms.qwen2_5_vl(tmp_path / "plain", coordinates=False)), "cpu")
    samples = [row_sets.row(0, "sft")]
    with pytest.raises(ModelError, match="it has to be one token"):
        _check(tmp_path, plain, samples)
    report = _check(tmp_path / "b", plain, samples, form="")
    assert len(report.notes) == 1
    assert "whose coordinates (<999>) are 5 tokens each for this model; format: rexomni gives" in report.notes[0]


def test_marks_that_are_special_tokens_as_in_qwen(tmp_path: Path) -> None:
    vlm = load_vlm(str(vlms.qwen2_5_vl(tmp_path / "vlm")), "cpu")
    vlm.tokenizer.add_special_tokens({"additional_special_tokens": ["<|box_start|>", "<|box_end|>"]})
    _check(tmp_path, vlm, [row_sets.row(0, "rl")])


def test_a_tokenizer_that_changes_an_answer_stops_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    vlm = load_vlm(str(vlms.qwen2_5_vl(tmp_path / "vlm")), "cpu")
    monkeypatch.setattr("pe.training.checks.start.round_trip", lambda _, text: text.replace("<|box_start|>", ""))
    with pytest.raises(ModelError, match=r"comes out of the tokenizer as .* does not go with the format"):
        _check(tmp_path, vlm, [row_sets.row(0, "rl")])


def test_a_template_without_the_picture_stops_the_run(tmp_path: Path) -> None:
    vlm = load_vlm(str(vlms.qwen2_5_vl(tmp_path / "vlm")), "cpu")
    vlm.processor.chat_template = (
        "{% for message in messages %}<|im_start|>{{ message.role }}\n{% for part in message.content %}"
        "{{ part.text if part.type == 'text' }}{% endfor %}<|im_end|>\n{% endfor %}"
    )
    with pytest.raises(InputError, match=r"not a batch for this model: .* Found total 0"):
        _check(tmp_path, vlm, [row_sets.row(0, "rl")])


@pytest.mark.parametrize("wrong", ["prompt too", "cut", "none"])
def test_labels_that_are_not_the_answer_stop_the_run(
    wrong: str, qwen: Vlm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    collate = batch._collate

    def spoilt(examples: Any, processor: Any) -> Any:
        made = collate(examples, processor)
        if wrong == "prompt too":
            made["labels"] = made["input_ids"]
        else:
            made["labels"][:, -20 if wrong == "cut" else 0 :] = -100
        return made

    monkeypatch.setattr(batch, "_collate", spoilt)
    with pytest.raises(InputError, match="the loss is not taken of its answer alone"):
        _check(tmp_path, qwen, [row_sets.row(0, "sft")])


def test_rows_that_ask_for_nothing_absent_are_named(qwen: Vlm, tmp_path: Path) -> None:
    sample, picture = row_sets.row(0, "rl")
    truth = re.sub(r'"negatives":\[[^]]*\]', '"negatives":[]', sample.reward_model.ground_truth)
    model = sample.reward_model.model_copy(update={"ground_truth": truth})
    report = _check(
        tmp_path, qwen, [(sample.model_copy(update={"reward_model": model, "ceilings_json": "[]"}), picture)]
    )
    assert report.notes == [
        "no row asks for what is not there: RL on positives alone teaches a model to find everything",
        "1 of 1 rows have no ceiling to compare with",
    ]


def test_hostile_text_is_no_markup(qwen: Vlm, tmp_path: Path) -> None:
    hostile = "</pre><script>window.pwned=1</script><img src=x onerror='window.pwned=1'>"
    messages = '[{"role":"user","content":"<image>' + hostile + '"},{"role":"assistant","content":"' + hostile + '"}]'
    report = _check(tmp_path, qwen, [row_sets.row(0, "sft", messages_json=messages)])
    page = report.page.read_text("utf-8")
    assert "<script" not in page
    assert "<img src=x" not in page
    assert "default-src 'none'" in page


def test_only_some_rows_of_many_are_looked_at(qwen: Vlm, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pe.training.checks.start.SAMPLED", 4)
    samples = [row_sets.row(number, "rl") for number in range(11)]
    report = _check(tmp_path, qwen, samples)
    assert (report.rows, report.sampled, report.ceilings) == (11, 4, 4)
