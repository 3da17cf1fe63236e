"""Runs in this process: what a stage does, and what a run refuses."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pe.errors import ConfigError, DamageError, InputError
from pe.evaluation.vlm import load_vlm
from pe.verifiers.length import LengthVerifier
from tests import vlms
from tests.training import runs


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return vlms.qwen2_5_vl(tmp_path_factory.mktemp("model"))


@pytest.fixture(scope="module")
def sft(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runs.rows(tmp_path_factory.mktemp("sft") / "rows", "sft")


@pytest.fixture(scope="module")
def rl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return runs.rows(tmp_path_factory.mktemp("rl") / "rows", "rl")


def state(folder: Path) -> dict[str, Any]:
    return {name: value.clone() for name, value in load_vlm(str(folder), "cpu").model.state_dict().items()}


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


@pytest.mark.parametrize("family", sorted(vlms.FAMILIES))
def test_sft_then_grpo_of_every_family(family: str, sft: Path, rl: Path, tmp_path: Path) -> None:
    import torch

    start = vlms.FAMILIES[family](tmp_path / "start", coordinates=False)
    stages = [
        runs.stage("sft", max_steps=2, freeze=["vision", "connector"]),
        runs.stage("grpo", max_steps=2, learning_rates={"vision": 0.0}),
    ]
    found = runs.run(runs.settings(start, tmp_path / "run", *stages, format="rexomni"), sft, rl)
    assert [item.name for item in found] == ["sft", "grpo"]
    before, middle, end = (state(folder) for folder in (start, *(item.folder / "model" for item in found)))
    assert (
        len(load_vlm(str(found[1].folder / "model"), "cpu").tokenizer)
        == len(load_vlm(str(start), "cpu").tokenizer) + 1000
    )
    for name, value in before.items():
        if "vis" in name and "merger" not in name:
            assert torch.equal(value, middle[name]), name
            assert torch.equal(value, end[name]), name
    changed = [name for name in middle if not torch.equal(middle[name], end[name])]
    assert any("layers" in name for name in changed)
    assert runs.metrics(found[0].folder)[-1]["loss"] < runs.metrics(found[0].folder)[0]["loss"]


def test_the_run_folder(model: Path, sft: Path, rl: Path, tmp_path: Path) -> None:
    settings = runs.settings(model, tmp_path / "run", runs.stage("sft", max_steps=3), runs.stage("grpo", max_steps=4))
    found = runs.run(settings, sft, rl)
    root = settings.out
    manifest = json.loads((root / "manifest.json").read_text())["stages"]
    assert [sum(item["rows"] for item in manifest[name]) for name in ("sft", "grpo")] == [24, 24]
    assert json.loads((root / "environment.json").read_text())["device"] == "cpu"
    assert [line["step"] for line in lines(root / "grpo/metrics.jsonl")] == [1, 2, 3, 4]
    last = lines(root / "grpo/metrics.jsonl")[-1]
    assert {"reward", "kl", "component/length"} & last.keys() >= {"reward", "component/length"}
    assert {"score/drawn/0", "score/drawn/1"} & last.keys()
    rollouts = lines(root / "grpo/rollouts.jsonl")
    assert [line["step"] for line in rollouts] == [1, 1, 3, 3]
    assert set(rollouts[0]) == {
        "step", "key", "data_source", "prompt", "response", "score", "components", "state", "tokens", "advantage",
    }  # fmt: skip
    assert rollouts[0]["prompt"].startswith("Where is cat")
    for line in rollouts:
        assert (root / "grpo/pictures" / f"{line['key']}.jpg").is_file()
        assert json.loads((root / "grpo/pictures" / f"{line['key']}.json").read_text())["key"] == line["key"]
        assert not any(mark in line["response"] for mark in ("<|image_pad|>", "<|vision_start|>"))
    assert list((root / "sft/tensorboard").iterdir())
    assert not (root / "sft/model/training_args.bin").exists()
    again = runs.run(settings, sft, rl)
    assert [item.before for item in again] == [True, True]
    assert [item.facts for item in again] == [item.facts for item in found]


def test_adapters_are_merged_and_a_tied_output_layer_stays_tied(model: Path, sft: Path, tmp_path: Path) -> None:
    plain = vlms.qwen2_5_vl(tmp_path / "plain", coordinates=False)
    stage = runs.stage("sft", max_steps=2, lora={"r": 4, "target_modules": ["q_proj", "v_proj"]})
    untied = vlms.qwen2_5_vl(tmp_path / "plain-untied", coordinates=False, tied=False)
    for name, start in (("old", model), ("new", plain), ("new, untied", untied)):
        (found,) = runs.run(runs.settings(start, tmp_path / name, stage, format="rexomni"), sft)
        before, after = state(start), state(found.folder / "model")
        changed = {key for key in before if before[key].shape != after[key].shape or (before[key] != after[key]).any()}
        assert {key.split(".")[-2] for key in changed} - {"embed_tokens", "lm_head"} == {"q_proj", "v_proj"}
        assert ("embed_tokens" in "".join(changed)) == name.startswith("new")
        whole = load_vlm(str(found.folder / "model"), "cpu").model
        tied = whole.get_output_embeddings().weight is whole.get_input_embeddings().weight
        assert tied == ("untied" not in name)


def test_a_missing_score_does_not_poison_its_group(
    model: Path, rl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from pe.verifiers import Missing

    judged: list[int] = []
    real = LengthVerifier.judge

    def mostly_missing(self: Any, *words: Any) -> Any:
        judged.append(1)
        if len(judged) % 4:
            raise Missing("not now")
        return real(self, *words)

    monkeypatch.setattr(LengthVerifier, "judge", mostly_missing)
    stage = runs.stage("grpo", max_steps=2, max_missing=1.0)
    (found,) = runs.run(runs.settings(model, tmp_path / "run", stage), rl)
    for line in runs.metrics(found.folder):
        assert line["missing"] == 0.75
        assert line["loss"] == 0.0  # one score a group is no reason to move
        assert line["grad_norm"] == 0.0


def test_schedules_reach_the_rollouts(model: Path, rl: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pe.training.trainers import Grpo

    seen: list[tuple[Any, ...]] = []
    real = Grpo._generate_single_turn

    def watched(self: Any, *words: Any, **more: Any) -> Any:
        heads = [cell.cell_contents for cell in self._head_temperatures]
        seen.append((self.generation_config.temperature, self.num_generations, *heads))
        return real(self, *words, **more)

    monkeypatch.setattr(Grpo, "_generate_single_turn", watched)
    stage = runs.stage("grpo", max_steps=4, temperatures={0.5: 0.7}, generations={0.75: 2}, beta=0.04)
    runs.run(runs.settings(model, tmp_path / "run", stage), rl)
    assert seen == [(1.0, 4, 1.0, 1.0)] * 2 + [(0.7, 4, 0.7, 0.7), (0.7, 2, 0.7, 0.7)]


def test_thinking_prompts_stand_around_the_question(model: Path, rl: Path, tmp_path: Path) -> None:
    stage = runs.stage("grpo", max_steps=1, wordings="v-triune")
    (found,) = runs.run(runs.settings(model, tmp_path / "run", stage), rl)
    for line in lines(found.folder / "rollouts.jsonl"):
        assert "Where is cat" in line["prompt"]
        assert "<think>" in line["prompt"]


@pytest.mark.slow
@pytest.mark.parametrize(
    "changes",
    [
        {"loss_type": "grpo", "importance_sampling_level": "sequence", "epsilon": 3e-4, "epsilon_high": 4e-4},
        {"loss_type": "dr_grpo", "scale_rewards": "none"},
        {"loss_type": "bnpo", "mask_truncated_completions": True},
        {"loss_type": "cispo", "epsilon_high": 5.0},
        {"loss_type": "dapo", "epsilon_high": 0.28, "beta": 0.01, "use_bias_correction_kl": True},
        {"loss_type": "luspo", "importance_sampling_level": "sequence"},
        {"loss_type": "sapo", "top_p": 0.9, "top_k": 50, "min_p": 0.01},
        {"loss_type": "vespo", "entropy_coef": 0.01},
        {"top_entropy_quantile": 0.2, "delta": 4.0, "num_iterations": 2, "save_steps": 2},
    ],
)
def test_the_losses_of_the_field(changes: dict[str, Any], model: Path, rl: Path, tmp_path: Path) -> None:
    (found,) = runs.run(runs.settings(model, tmp_path / "run", runs.stage("grpo", max_steps=4, **changes)), rl)
    assert all(line["loss"] is not None for line in runs.metrics(found.folder))


def test_other_settings_or_rows_in_the_same_folder(model: Path, sft: Path, rl: Path, tmp_path: Path) -> None:
    first = runs.settings(model, tmp_path / "run", runs.stage("sft", max_steps=1), runs.stage("grpo", max_steps=1))
    runs.run(first.model_copy(update={"stages": first.stages}), sft, rl)
    other = runs.settings(model, first.out, runs.stage("sft", max_steps=2), runs.stage("grpo", max_steps=1))
    with pytest.raises(InputError, match=r"begun with other settings \(sft.max_steps was 1 and is 2\)"):
        runs.run(other, sft, rl)
    rows = runs.rows(tmp_path / "rows", "sft", count=8)
    moved = first.model_copy(update={"stages": [stage.model_copy(update={"data": []}) for stage in first.stages]})
    with pytest.raises(InputError, match="other settings"):
        runs.run(moved, rows, rl)


def test_a_folder_of_something_else(model: Path, sft: Path, tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(InputError, match="no run of pe train"):
        runs.run(runs.settings(model, tmp_path, runs.stage("sft", max_steps=1)), sft)


def test_a_later_stage_waits_for_the_one_before(model: Path, rl: Path, tmp_path: Path) -> None:
    from pe.training.run import train, with_data

    settings = runs.settings(model, tmp_path / "run", runs.stage("sft"), runs.stage("grpo"))
    with pytest.raises(ConfigError, match="stage sft has no data"):
        runs.run(settings, rl)
    with pytest.raises(InputError, match="starts from stage sft, which is not finished"):
        train(with_data(settings, [str(rl)]), "grpo")


def test_rows_that_no_stage_takes(model: Path, sft: Path, rl: Path, tmp_path: Path) -> None:
    settings = runs.settings(model, tmp_path / "run", runs.stage("sft"))
    with pytest.raises(InputError, match="the run has no grpo stage"):
        runs.run(settings, rl)
    wrong = runs.settings(model, tmp_path / "run", runs.stage("sft", data=[str(rl)]))
    with pytest.raises(InputError, match="its rows are rl rows, and this stage takes sft rows"):
        runs.run(wrong)
    with pytest.raises(InputError, match="no shards are there"):
        runs.run(settings, tmp_path / "nothing-*")


def test_rows_for_another_picture_size(model: Path, tmp_path: Path) -> None:
    from pe.schemas.sample import Verifier

    verifier = Verifier(name="detection", params_json='{"format": "qwen2.5-vl"}')
    rows = runs.rows(tmp_path / "rows", "rl", verifier=verifier, input_width=112, input_height=112)
    with pytest.raises(InputError, match="112 x 112"):
        runs.run(runs.settings(model, tmp_path / "run", runs.stage("grpo", max_steps=1)), rows)


def test_a_damaged_shard(model: Path, tmp_path: Path) -> None:
    rows = runs.rows(tmp_path / "rows", "sft")
    for path in sorted((rows / "shards").glob("*.tar")):
        data = bytearray(path.read_bytes())
        for place in range(700, len(data), 512):
            data[place] ^= 1
        path.write_bytes(bytes(data))
    with pytest.raises(DamageError):
        runs.run(runs.settings(model, tmp_path / "run", runs.stage("sft", max_steps=1)), rows)


def test_a_kill_after_the_last_step_costs_nothing(model: Path, sft: Path, tmp_path: Path) -> None:
    settings = runs.settings(model, tmp_path / "run", runs.stage("sft", max_steps=3))
    (found,) = runs.run(settings, sft)
    weights, metrics = runs.weights(found.folder), runs.metrics(found.folder)
    (found.folder / "done.json").unlink()
    (found.folder / "model" / "model.safetensors").write_bytes(b"cut")
    (again,) = runs.run(settings, sft)
    assert not again.before
    assert (runs.weights(again.folder), runs.metrics(again.folder)) == (weights, metrics)


def test_running_out_of_memory_is_one_line(
    model: Path, sft: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import torch

    from pe.training.failures import OutOfMemory
    from pe.training.trainers import Sft

    def full(*_: Any, **__: Any) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB")

    monkeypatch.setattr(Sft, "training_step", full)
    with pytest.raises(OutOfMemory, match="sft: out of memory: lower per_device_train_batch_size"):
        runs.run(runs.settings(model, tmp_path / "run", runs.stage("sft", max_steps=1)), sft)


def test_a_disk_that_fills_up_is_one_line(
    model: Path, sft: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import errno

    from pe.errors import DiskError
    from pe.training import trainers

    real = trainers.seal

    def full(folder: Path, state: dict[str, Any]) -> None:
        if folder.name == "checkpoint-4":
            raise OSError(errno.ENOSPC, "No space left on device")
        real(folder, state)

    monkeypatch.setattr(trainers, "seal", full)
    settings = runs.settings(model, tmp_path / "run", runs.stage("sft", max_steps=5, save_steps=2))
    with pytest.raises(DiskError, match="the disk is full"):
        runs.run(settings, sft)
    monkeypatch.undo()
    (found,) = runs.run(settings, sft)
    assert [line["step"] for line in runs.metrics(found.folder)] == [1, 2, 3, 4, 5]


def test_a_loss_that_is_no_number_stops_the_run(model: Path, sft: Path, tmp_path: Path) -> None:
    from pe.training.watch import TrainingStopped

    stage = runs.stage("sft", max_steps=8, learning_rate=1e30, max_grad_norm=0.0)
    with pytest.raises(TrainingStopped):
        runs.run(runs.settings(model, tmp_path / "run", stage), sft)


@pytest.mark.slow
@pytest.mark.parametrize("family", sorted(vlms.FAMILIES))
def test_adapters_of_every_family_in_half_precision(family: str, sft: Path, rl: Path, tmp_path: Path) -> None:
    start = vlms.FAMILIES[family](tmp_path / "start", coordinates=False, spare=1200)
    adapters = {"lora": {"r": 4}, "freeze": ["vision"], "gradient_checkpointing": True}
    stages = [
        runs.stage("sft", max_steps=3, loss_type="dft", **adapters),
        runs.stage("grpo", max_steps=4, beta=0.04, temperatures={0.5: 0.8}, **adapters),
        runs.stage("grpo", name="all", max_steps=4, beta=0.04, temperatures={0.5: 0.8}, gradient_checkpointing=True),
    ]
    settings = runs.settings(start, tmp_path / "run", *stages, format="rexomni", dtype="bfloat16")
    found = runs.run(settings, sft, rl)
    for item in found:
        assert all(line["grad_norm"] is not None for line in runs.metrics(item.folder))
        assert len(load_vlm(str(item.folder / "model"), "cpu").tokenizer) == len(load_vlm(str(start), "cpu").tokenizer)


def test_vllm_that_is_not_installed(model: Path, rl: Path, tmp_path: Path) -> None:
    from importlib.util import find_spec

    if find_spec("vllm"):
        pytest.skip("it is installed")
    with pytest.raises(ConfigError, match="vLLM"):
        runs.run(runs.settings(model, tmp_path / "run", runs.stage("grpo", use_vllm=True)), rl)
