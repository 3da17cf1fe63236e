from __future__ import annotations

import pytest


def pytest_configure(config: pytest.Config) -> None:
    # pycocotools 2.0.11 under numpy 2.4; the project itself calls its decoder nowhere
    config.addinivalue_line("filterwarnings", "ignore:__array__ implementation:DeprecationWarning:pycocotools")
