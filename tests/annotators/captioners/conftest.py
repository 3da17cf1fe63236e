"""The tiny model, made once a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.annotators.captioners import tiny_models


@pytest.fixture(scope="session")
def tiny_vlm(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch")
    return tiny_models.vlm(tmp_path_factory.mktemp("models") / "tiny-vlm")
