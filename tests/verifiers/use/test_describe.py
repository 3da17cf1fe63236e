from __future__ import annotations

import json
from typing import Annotated, Any, ClassVar, Literal

import pytest
from pydantic import Field

from pe.errors import InputError
from pe.registry import names
from pe.verifiers import V_TRIUNE, Parameters, Schedule, Thresholds, Verifier
from pe.verifiers.use.describe import describe, parameters


class Many(Parameters):
    """All kinds."""

    limit: int = Field(default=3, ge=1, lt=9)
    names: list[str]
    unit: Literal["a", "b"] = "a"
    share: Annotated[float, Field(ge=0)] | None = None
    pair: tuple[int, str] = (1, "x")
    at: Thresholds = Schedule(until=V_TRIUNE)


class Some(Verifier):
    Parameters: ClassVar[type[Parameters]] = Many

    def judge(self, answer: Any, truth: Any, call: Any) -> dict[str, float]:
        return {}


def test_types_limits_and_defaults() -> None:
    rows = {row["name"]: row for row in parameters(Some)}
    assert list(rows) == ["format", "also", "limit", "names", "unit", "share", "pair", "at"]
    assert rows["limit"] == {"name": "limit", "type": "whole number >= 1 < 9", "default": 3}
    assert rows["names"] == {"name": "names", "type": "list of text", "required": True}
    assert rows["unit"]["type"] == '"a" | "b"'
    assert rows["share"] == {"name": "share", "type": "number >= 0 | null", "default": None}
    assert rows["pair"] == {"name": "pair", "type": "[whole number, text]", "default": [1, "x"]}
    assert (rows["at"]["type"], rows["at"]["default"]["until"][0]) == ("Schedule", [0.1, 0.85])


@pytest.mark.parametrize("name", names("verifiers"))
def test_every_verifier_says_what_it_is(name: str) -> None:
    row = describe(name)
    assert json.loads(json.dumps(row)) == row
    assert row["formula"]
    assert row["source"]
    assert row["about"]
    assert row["behaviour"] in ("continuous", "threshold", "form")
    assert {item["name"] for item in row["parameters"]} >= {"format", "also"}
    assert all(("default" in item) != ("required" in item) for item in row["parameters"])


def test_an_unknown_one_is_an_error() -> None:
    with pytest.raises(InputError, match="did you mean format"):
        describe("fromat")
