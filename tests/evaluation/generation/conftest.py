"""A tiny model, and a server that answers, for the tests of generation and of mining."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.evaluation.generation.servers import Server, serving


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as found:
        yield found


@pytest.fixture(scope="session")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Qwen2.5-VL of random weights."""
    pytest.importorskip("transformers")
    from tests.vlms import qwen2_5_vl

    return qwen2_5_vl(tmp_path_factory.mktemp("models") / "tiny")
