from __future__ import annotations

import json
import pickle
from collections import defaultdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pe.errors import InputError
from pe.evaluation.monitors import Monitor
from pe.verifiers.format import FormatVerifier
from pe.verifiers.use.missing import TooManyMissing
from pe.verifiers.use.trl import VerifierReward, text_of

BOX = '[{"bbox_2d": [100, 100, 300, 250], "label": "cat"}]'
SCHEDULED = '[{"bbox_2d": [100, 100, 300, 275], "label": "cat"}]'
TRUTH = json.dumps({"objects": [{"phrase": "cat", "bbox": [100, 100, 300, 300]}]})


def rows(count: int, **changes: Any) -> dict[str, list[Any]]:
    """The columns of `count` samples, as TRL hands them over."""
    row: dict[str, Any] = {
        "verifier": {"name": "detection", "params_json": "{}"},
        "reward_model": {"style": "rule", "ground_truth": TRUTH, "weights_json": '{"accuracy": 1.0, "format": 1.0}'},
        "width": 1000,
        "height": 1000,
        "input_width": 0,
        "input_height": 0,
        "data_source": "coco/grounding",
        "images": ["not looked at"],
    }
    return {name: [value] * count for name, value in (row | changes).items()}


def chat(text: str) -> list[dict[str, Any]]:
    return [{"role": "assistant", "content": text}]


def call(reward: VerifierReward, texts: list[str], **changes: Any) -> list[float | None]:
    columns = rows(len(texts)) | changes
    return reward(
        prompts=["?"] * len(texts), completions=list(map(chat, texts)), completion_ids=[[1] * 9] * len(texts), **columns
    )


def test_one_reward_of_the_samples_own_fields() -> None:
    assert call(VerifierReward(), [BOX, "nothing"]) == [0.875, 0.5]
    names = [{"name": "detection", "params_json": "{}"}, {"name": "format", "params_json": '{"signed": true}'}]
    models = [{"ground_truth": TRUTH, "weights_json": "{}"}, {"ground_truth": "{}", "weights_json": "{}"}]
    assert call(VerifierReward(), [BOX, BOX], verifier=names, reward_model=models) == [0.75, 1.0]


def test_texts_and_parts_are_completions_too() -> None:
    parts = [{"role": "assistant", "content": [{"type": "text", "text": BOX[:9]}, {"type": "text", "text": BOX[9:]}]}]
    found = VerifierReward()(prompts=["?"] * 2, completions=[BOX, parts], **rows(2))
    assert found == [0.875, 0.875]
    assert text_of([{"role": "assistant", "content": "first"}, {"role": "assistant", "content": "last"}]) == "last"
    assert text_of([]) == text_of([{"role": "assistant", "content": None}]) == ""


def test_what_the_model_saw_is_taken() -> None:
    seen = '[{"bbox_2d": [50, 50, 150, 125], "label": "cat"}]'
    assert call(VerifierReward(), [seen], **rows(1, input_width=500, input_height=500)) == [0.875]


def test_progress_is_the_trainers() -> None:
    staged = rows(1, verifier={"name": "detection-f1", "params_json": '{"threshold": "v-triune"}'})
    for step, expected in ((0, 1.0), (10, 1.0), (11, 0.5), (100, 0.5)):
        state = SimpleNamespace(global_step=step, max_steps=100)
        assert call(VerifierReward(), [SCHEDULED], trainer_state=state, **staged) == [expected]


def test_components_are_logged_by_name() -> None:
    metrics: dict[str, list[float]] = defaultdict(list)
    extra: dict[str, list[Any]] = {}
    call(
        VerifierReward(),
        [BOX, "nothing"],
        log_metric=lambda name, value: metrics[name].append(value),
        log_extra=extra.__setitem__,
    )
    assert metrics == {"missing": [0.0, 0.0], "component/accuracy": [0.75, 0.0], "component/format": [1.0, 1.0]}
    assert extra == {"state": ["ok", "none-present"], "missing_reason": ["", ""]}


def test_a_missing_score_is_none_and_not_what_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError("no luck")

    monkeypatch.setattr(FormatVerifier, "judge", broken)
    extra: dict[str, list[Any]] = {}
    reward = VerifierReward()
    assert call(reward, [BOX], log_extra=extra.__setitem__) == [None]
    assert extra["missing_reason"] == ["RuntimeError in format: no luck"]
    assert reward.guard.missing == 1


def test_a_run_stops_above_the_share_of_missing_scores() -> None:
    columns = rows(10, verifier={"name": "detecton", "params_json": "{}"})
    reward = VerifierReward(max_missing=0.2, window=100)
    for _ in range(2):
        assert call(reward, [BOX] * 10, **columns) == [None] * 10
    with pytest.raises(TooManyMissing, match="did you mean detection"):
        call(reward, [BOX] * 10, **columns)


def test_it_goes_to_another_process_as_it_is() -> None:
    reward = VerifierReward(max_missing=0.01, window=100)
    call(reward, [BOX], **rows(1, verifier={"name": "detecton"}))
    sent = pickle.loads(pickle.dumps(reward))
    assert call(sent, [BOX]) == [0.875]
    with pytest.raises(TooManyMissing):
        call(sent, [BOX], **rows(1, verifier={"name": "detecton"}))


def test_a_data_set_without_the_columns_is_named() -> None:
    with pytest.raises(InputError, match="no column verifier, reward_model, width, height"):
        VerifierReward()(prompts=["?"], completions=[BOX], image=[None])


def test_a_monitor_sees_every_score() -> None:
    monitor = Monitor(max_tokens=9)
    call(VerifierReward(observe=monitor.add), [BOX, "nothing"], data_source=["a", "b"])
    figures = monitor.figures()
    assert (figures["a"]["score"], figures["b"]["score"]) == (0.875, 0.5)
    assert figures["a"]["clipped"] == 1.0


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A language model of a few thousand weights and its tokenizer, one letter a token."""
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast, Qwen2Config, Qwen2ForCausalLM

    folder = tmp_path_factory.mktemp("model")
    letters = {letter: number for number, letter in enumerate(["<pad>", "<eos>", *"abcdefgh [](),0123456789"])}
    plain = Tokenizer(models.WordLevel(letters, unk_token="<pad>"))
    plain.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=plain, pad_token="<pad>", eos_token="<eos>")
    tokenizer.chat_template = "{% for message in messages %}{{ message['content'] }}{% endfor %}"
    tokenizer.save_pretrained(folder)
    config = Qwen2Config(
        vocab_size=len(letters),
        hidden_size=16,
        intermediate_size=16,
        num_hidden_layers=1,
        num_attention_heads=2,
        num_key_value_heads=2,
        max_position_embeddings=64,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=None,
    )
    Qwen2ForCausalLM(config).save_pretrained(folder)
    return folder


def test_the_real_trainer_takes_and_logs_it(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    datasets = pytest.importorskip("datasets")
    trl = pytest.importorskip("trl")
    from pe.evaluation.monitors import report_by
    from pe.verifiers import Missing

    judged: list[str] = []
    real = FormatVerifier.judge

    def every_fourth_is_missing(self: Any, answer: Any, truth: Any, one: Any) -> Any:
        judged.append(one.response)
        if len(judged) % 4 == 0:
            raise Missing("the fourth")
        return real(self, answer, truth, one)

    monkeypatch.setattr(FormatVerifier, "judge", every_fourth_is_missing)
    columns = rows(8, verifier={"name": "format", "params_json": '{"format": "qwen3-vl"}'})
    columns |= {
        "reward_model": [{"style": "rule", "ground_truth": "{}", "weights_json": "{}"}] * 8,
        "prompt": [[{"role": "user", "content": "ab"}]] * 8,
        "data_source": ["one", "two"] * 4,
    }
    del columns["images"]
    monitor = Monitor(max_tokens=6)
    trainer = trl.GRPOTrainer(
        model=str(model),
        reward_funcs=VerifierReward(max_missing=0.5, observe=monitor.add),
        train_dataset=datasets.Dataset.from_dict(columns),
        args=trl.GRPOConfig(
            output_dir=str(tmp_path),
            max_steps=2,
            logging_steps=1,
            per_device_train_batch_size=8,
            num_generations=4,
            max_completion_length=6,
            report_to="none",
            use_cpu=True,
            bf16=False,
            gradient_checkpointing=False,
            save_strategy="no",
            disable_tqdm=True,
        ),
    )
    report_by(trainer, monitor)
    trainer.train()
    assert len(judged) == 16
    logged = [row for row in trainer.state.log_history if "rewards/verifier/mean" in row]
    assert [row["missing"] for row in logged] == [0.25, 0.25]
    assert [row["component/format"] for row in logged] == pytest.approx([row["reward"] for row in logged])
    seen = [row for row in trainer.state.log_history if "missing/one" in row or "missing/two" in row]
    assert [row["step"] for row in seen] == [1, 2]
    assert sum(row.get("responses/one", 0) + row.get("responses/two", 0) for row in seen) == 16
    assert not any("rewards/verifier/mean" in row for row in seen)
