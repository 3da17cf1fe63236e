"""The answering server, for the tests of mining."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.evaluation.generation.servers import Server, serving


@pytest.fixture(scope="module")
def server() -> Iterator[Server]:
    with serving() as found:
        yield found
