from __future__ import annotations

import inspect
import json
import math
from typing import Any

import pytest

from pe.schemas.sample import RewardModel, Verifier
from pe.verifiers.format import FormatVerifier
from pe.verifiers.use import verl
from pe.verifiers.use.missing import TooManyMissing
from tests.shards import factory

TRUTH = json.dumps({"objects": [{"phrase": "cat", "bbox": [100, 100, 300, 300]}]})
BOX = '[{"bbox_2d": [100, 100, 300, 250], "label": "cat"}]'
INFO = {
    "verifier": "detection",
    "params_json": "{}",
    "weights_json": '{"accuracy": 1.0, "format": 1.0}',
    "width": 1000,
    "height": 1000,
    "input_width": 0,
    "input_height": 0,
    "num_turns": None,  # verl adds keys of its own
}


@pytest.fixture(autouse=True)
def _fresh() -> None:
    verl._guard.cache_clear()


def test_score_components_and_no_error() -> None:
    found = verl.compute_score(data_source="a/b", solution_str=BOX, ground_truth=TRUTH, extra_info=INFO)
    assert found == {"score": 0.875, "accuracy": 0.75, "format": 1.0, "reward_error": 0.0}
    assert all(type(value) is float for value in found.values())


def test_sizes_and_progress_are_taken() -> None:
    seen = '[{"bbox_2d": [50, 50, 150, 125], "label": "cat"}]'
    info = INFO | {"input_width": 500, "input_height": 500}
    assert verl.compute_score("a", seen, TRUTH, info)["accuracy"] == 0.75
    staged = INFO | {"verifier": "detection-f1", "params_json": '{"threshold": "v-triune"}'}
    wide = '[{"bbox_2d": [100, 100, 300, 275], "label": "cat"}]'
    assert verl.compute_score("a", wide, TRUTH, staged | {"progress": 0.1})["accuracy"] == 1.0
    assert verl.compute_score("a", wide, TRUTH, staged)["accuracy"] == 0.0


def test_a_missing_score_is_zero_and_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(FormatVerifier, "judge", broken)
    found = verl.compute_score("a", BOX, TRUTH, INFO)
    assert found == {"score": 0.0, "accuracy": 0.75, "format": 0.0, "reward_error": 1.0}
    unknown = verl.compute_score("a", BOX, TRUTH, INFO | {"verifier": "detecton"})
    assert unknown == {"score": 0.0, "accuracy": 0.0, "format": 0.0, "reward_error": 1.0}


def test_a_zero_that_was_earned_is_no_error() -> None:
    assert verl.compute_score("a", "no idea", TRUTH, INFO | {"weights_json": "{}"})["reward_error"] == 0.0


def test_every_sample_has_the_same_keys_whatever_its_verifier() -> None:
    text = INFO | {"verifier": "format", "params_json": "{}", "weights_json": "{}"}
    found = verl.compute_score("a", BOX, "{}", text, components=("accuracy", "format", "length"))
    assert list(found) == ["score", "accuracy", "format", "length", "reward_error"]
    assert math.isnan(found["accuracy"])
    assert math.isnan(found["length"])
    assert (found["format"], found["reward_error"]) == (1.0, 0.0)


def test_a_run_stops_above_the_share_of_missing_scores() -> None:
    unknown = INFO | {"verifier": "detecton"}
    for _ in range(5):
        verl.compute_score("a", BOX, TRUTH, unknown, max_missing=0.01)
    with pytest.raises(TooManyMissing, match="did you mean detection"):
        verl.compute_score("a", BOX, TRUTH, unknown, max_missing=0.01)


def test_a_data_set_without_the_keys_is_named() -> None:
    with pytest.raises(
        ValueError, match=r"extra_info of coyo/x has no 'verifier': see pe.verifiers.use.verl.extra_info"
    ):
        verl.compute_score("coyo/x", BOX, TRUTH, {"index": 3})


def test_extra_info_is_what_compute_score_reads() -> None:
    sample = factory.sample("k", factory.picture(1, (1000, 1000))).model_copy(
        update={
            "kind": "rl",
            "verifier": Verifier(name="detection", params_json='{"format": "qwen3-vl"}'),
            "reward_model": RewardModel(ground_truth=TRUTH, weights_json='{"accuracy": 1.0, "format": 1.0}'),
        }
    )
    info = json.loads(json.dumps(verl.extra_info(sample)))
    found = verl.compute_score(sample.data_source, BOX, sample.reward_model.ground_truth, info)
    assert found["score"] == 0.875


def test_verl_finds_its_names() -> None:
    # as verl's reward managers call it
    assert list(inspect.signature(verl.compute_score).parameters)[:4] == [
        "data_source", "solution_str", "ground_truth", "extra_info",
    ]  # fmt: skip
    verl.compute_score(
        data_source="a",
        solution_str=BOX,
        ground_truth=TRUTH,
        extra_info=INFO,
        reward_router_address=None,
        reward_model_tokenizer=None,
    )


class Letters:
    """A tokenizer of code points, as verl's managers call one."""

    def decode(self, ids: Any, skip_special_tokens: bool = True) -> str:
        return "".join(map(chr, ids.tolist()))


def test_verls_own_reward_managers_take_it() -> None:
    pytest.importorskip("verl")
    import asyncio

    import numpy as np
    import torch
    from omegaconf import OmegaConf
    from verl import DataProto
    from verl.experimental.reward_loop.reward_manager.naive import NaiveRewardManager as Loop
    from verl.trainer.ppo.reward import get_custom_reward_fn
    from verl.workers.reward_manager import NaiveRewardManager

    texts = [BOX, "no idea", BOX, BOX]
    broken = INFO | {"verifier": "detecton"}
    other = INFO | {"verifier": "format", "params_json": "{}", "weights_json": "{}"}
    width = max(map(len, texts))
    responses = torch.zeros(len(texts), width, dtype=torch.long)
    mask = torch.ones(len(texts), width + 1, dtype=torch.long)
    for row, text in enumerate(texts):
        responses[row, : len(text)] = torch.tensor([ord(letter) for letter in text])
        mask[row, 1 + len(text) :] = 0
    batch = DataProto.from_dict(
        tensors={"prompts": torch.full((len(texts), 1), 63), "responses": responses, "attention_mask": mask},
        non_tensors={
            "data_source": np.array(["a", "a", "b", "c"], dtype=object),
            "reward_model": np.array([{"style": "rule", "ground_truth": TRUTH}] * len(texts), dtype=object),
            "extra_info": np.array([dict(INFO), dict(INFO), broken, other], dtype=object),
        },
    )
    function = {"path": "pkg://pe.verifiers.use.verl", "name": "compute_score", "reward_kwargs": {"max_missing": 0.1}}
    config = OmegaConf.create({"reward": {"custom_reward_function": function}})
    compute_score = get_custom_reward_fn(config)

    found = NaiveRewardManager(Letters(), 0, compute_score)(batch, return_dict=True)
    assert found["reward_tensor"].sum(dim=1).tolist() == [0.875, 0.5, 0.0, 1.0]
    assert [row.nonzero().tolist() for row in found["reward_tensor"][:2]] == [[[len(BOX) - 1]], [[len("no idea") - 1]]]
    extra = found["reward_extra_info"]
    assert extra["reward_error"] == [0.0, 0.0, 1.0, 0.0]
    assert extra["accuracy"][:3] == [0.75, 0.0, 0.0]
    assert {len(values) for values in extra.values()} == {len(texts)}

    async def run_all() -> list[dict[str, Any]]:
        manager = Loop(config, Letters(), compute_score)
        return [await manager.run_single(batch[row : row + 1]) for row in range(len(texts))]

    rows = asyncio.run(run_all())
    assert [row["reward_score"] for row in rows] == [0.875, 0.5, 0.0, 1.0]
    assert len({tuple(row["reward_extra_info"]) for row in rows}) == 1
