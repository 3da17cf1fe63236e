"""Rows as TRL's trainers take them: conversations, pictures, and what the reward needs."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import numpy as np

from pe.engines.tasks._wordings import fill, load_pool
from pe.errors import InputError
from pe.evaluation.vlm import check_seen, messages_of
from pe.registry import load, names
from pe.schemas.sample import Sample
from pe.training.settings import GrpoStage, SftStage

Example = dict[str, Any]


def example_of(sample: Sample, picture: bytes, stage: SftStage | GrpoStage, processor: Any, seed: int) -> Example:
    """The columns of one row: `images` (one PIL picture) and `prompt`; of an sft row also `completion`.

    An rl row keeps what the reward wants: `key`, `data_source`, `verifier`, `reward_model`, `width`, `height`,
    `input_width`, `input_height`. `seed` picks a thinking prompt where the stage has them. Raises InputError for a row
    without exactly one picture and for one whose coordinates are those of another size than `processor` makes.
    """
    check_seen(processor, sample)
    found = messages_of(sample, answer=True)
    images = [decoded(picture, sample)]
    if isinstance(stage, SftStage):
        return {"images": images, "prompt": found[:-1], "completion": found[-1:]}
    if stage.wordings:
        _think(found[-1]["content"], sample, stage.wordings, seed)
    return {
        "images": images,
        "prompt": found,
        "key": sample.key,
        "data_source": sample.data_source,
        "verifier": sample.verifier.model_dump(),
        "reward_model": sample.reward_model.model_dump(),
        "width": sample.width,
        "height": sample.height,
        "input_width": sample.input_width,
        "input_height": sample.input_height,
    }


def decoded(picture: bytes, sample: Sample) -> Any:
    """The RGB picture of a sample as PIL has it. Raises InputError when it cannot be decoded."""
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(picture)) as image:
            return image.convert("RGB")
    except (OSError, ValueError, SyntaxError, UnidentifiedImageError, Image.DecompressionBombError) as error:
        raise InputError(f"{sample.key}: its picture cannot be decoded: {str(error)[:200]}") from None


def check_wordings(pool: str) -> None:
    """Raise InputError unless `pool` has thinking prompts."""
    if not load_pool(pool).thinking:
        raise InputError(f"the wordings {pool} have no thinking prompts")


def _think(content: list[dict[str, Any]], sample: Sample, pool: str, seed: int) -> None:
    thinking = load_pool(pool).thinking
    topics = (*_topics().get(sample.ability, ()), sample.ability, "any")
    prompts = next((thinking[topic] for topic in topics if topic in thinking), None)
    if prompts is None:
        return
    digits = int(sample.sha256[:15] or "0", 16)
    chosen = prompts[int(np.random.default_rng([seed, digits]).integers(len(prompts)))]
    for part in reversed(content):
        if part["type"] == "text":
            part["text"] = fill(chosen, {"question": part["text"]})
            return


@cache
def _topics() -> dict[str, tuple[str, ...]]:
    """The topics of wordings by ability."""
    tasks = [load("tasks", name) for name in names("tasks")]
    return {task.ability: tuple(task.topics) for task in tasks if hasattr(task, "ability") and hasattr(task, "topics")}
