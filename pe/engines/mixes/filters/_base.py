"""What a row filter is. The build counts and records; a filter only judges."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from pe import registry
from pe.engines.mixes._candidate import Candidate
from pe.errors import ConfigError


class RowFilter(BaseModel):
    """Judges a row; its fields are its parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def keeps(self, row: Candidate) -> bool:
        """Whether `row` goes on."""
        raise NotImplementedError


def build_row_filters(chosen: dict[str, dict[str, Any]]) -> dict[str, RowFilter]:
    """The filters of {name: parameters}; raises ConfigError with every wrong parameter."""
    built: dict[str, RowFilter] = {}
    problems: list[str] = []
    for name, parameters in chosen.items():
        try:
            built[name] = registry.load("row_filters", name)(**parameters)
        except ValidationError as error:
            problems += [
                f"filter {name}: {'.'.join(map(str, item['loc'])) or 'parameters'}: {item['msg']}"
                for item in error.errors()
            ]
    if problems:
        raise ConfigError(problems)
    return built
