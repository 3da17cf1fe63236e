"""The tiny models, made once a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.annotators.segmenters import tiny_models


@pytest.fixture(scope="session")
def tiny_sam(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch")
    return tiny_models.sam(tmp_path_factory.mktemp("models") / "tiny-sam")


@pytest.fixture(scope="session")
def tiny_sam2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("torch")
    return tiny_models.sam2(tmp_path_factory.mktemp("models") / "tiny-sam2")
