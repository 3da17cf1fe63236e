"""What a filter is. The engine counts and records; a filter only judges."""

from __future__ import annotations

from typing import Any

from pydantic import BaseModel, ConfigDict, ValidationError

from pe import registry
from pe.annotators.base import Instance
from pe.errors import ConfigError
from pe.shards.pictures import Picture


class Filter(BaseModel):
    """Judges a picture before detection and each instance after; its fields are its parameters."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    def picture(self, picture: Picture) -> str:
        """Why this picture is filtered, or "" when it goes on."""
        return ""

    def instance(self, picture: Picture, instance: Instance) -> str:
        """Why this instance is dropped, or "" when it stays."""
        return ""


def build_filters(chosen: dict[str, dict[str, Any]]) -> dict[str, Filter]:
    """The filters of {name: parameters}; raises ConfigError with every wrong parameter."""
    built: dict[str, Filter] = {}
    problems: list[str] = []
    for name, parameters in chosen.items():
        try:
            built[name] = registry.load("filters", name)(**parameters)
        except ValidationError as error:
            problems += [
                f"filter {name}: {'.'.join(map(str, item['loc'])) or 'parameters'}: {item['msg']}"
                for item in error.errors()
            ]
    if problems:
        raise ConfigError(problems)
    return built
