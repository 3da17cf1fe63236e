"""Shared data for the tests: real photos and bad images that are not part of the project."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

# An import within the first example, or a busy machine, is no fault of what is tested.
settings.register_profile("pe", deadline=None)
settings.load_profile("pe")

SHARED = Path(os.environ.get("PE_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of shared test data, or a skip that says it is absent."""
    if not SHARED.is_dir():
        pytest.skip(f"no shared test data at {SHARED}; set PE_TEST_DATA")
    return SHARED
