from __future__ import annotations

import re
from pathlib import Path

import pytest
from pydantic import BaseModel

from pe.training.settings import Curriculum, GrpoStage, Lora, SftStage, TrainSettings, WatchSettings

DOCS = (Path(__file__).parents[2] / "docs/train.md").read_text("utf-8")


@pytest.mark.parametrize("model", [TrainSettings, SftStage, GrpoStage, Lora, Curriculum, WatchSettings])
def test_every_setting_is_in_the_docs(model: type[BaseModel]) -> None:
    named = set(re.findall(r"`(?:[a-z]+\.)?([a-z_0-9]+)(?:: [^`]*)?`", DOCS))
    assert not set(model.model_fields) - named


def test_the_docs_name_no_setting_that_is_not_there() -> None:
    known: set[str] = set()
    for model in (TrainSettings, SftStage, GrpoStage, Lora, Curriculum, WatchSettings):
        known |= set(model.model_fields)
    rows = [line.split("|")[1] for line in DOCS[DOCS.index("## Settings") :].splitlines() if line.startswith("| `")]
    assert rows
    assert not {name for row in rows for name in re.findall(r"`(\w+)`", row)} - known
