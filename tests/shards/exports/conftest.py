from __future__ import annotations

from pathlib import Path

import pytest

from tests.shards.exports import rows


@pytest.fixture(scope="session")
def annotated(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rows.annotated(tmp_path_factory.mktemp("annotated") / "out")


@pytest.fixture(scope="session")
def sft(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rows.training(tmp_path_factory.mktemp("sft") / "out", "sft")


@pytest.fixture(scope="session")
def rl(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return rows.training(tmp_path_factory.mktemp("rl") / "out", "rl")
