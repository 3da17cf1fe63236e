"""A server that most tests of the reward service share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

pytest.importorskip("fastapi")
pytest.importorskip("prometheus_client")

from tests.verifiers.service.probe import install
from tests.verifiers.service.servers import LIMIT, Server


@pytest.fixture(scope="session")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder on the servers' path in which the probe verifier is installed."""
    return install(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="session")
def shared_server(site: Path) -> Iterator[Server]:
    server = Server(site, "--workers", "2", "--time-limit", str(LIMIT), "--body-limit", "1")
    yield server
    server.close()


@pytest.fixture
def server(shared_server: Server) -> Server:
    """The shared server, with all its workers ready."""
    shared_server.until_ready()
    return shared_server


@pytest.fixture
def start(site: Path) -> Iterator[Callable[..., Server]]:
    """Starts servers of the test's own; they end with it."""
    servers: list[Server] = []

    def one(*flags: str, token: str = "") -> Server:
        servers.append(Server(site, *flags, token=token))
        return servers[-1]

    yield one
    for server in servers:
        server.close()
