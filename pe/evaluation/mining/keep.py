"""Which rows are kept: rules on what a model's answers to a row earned."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from pe.evaluation.mining.difficulty import Difficulty


class Rule(BaseModel):
    """`keeps` returns "" or why a row goes, a fixed word. `needs_greedy`: the rule looks at the greedy answer."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @property
    def needs_greedy(self) -> bool:
        return False

    def keeps(self, row: Difficulty) -> str:
        raise NotImplementedError


class PassRate(Rule):
    """The share of right answers, p: `min` <= p <= `max`, and, where given, `above` < p < `below`.

    V-Triune's reasoning rows (arXiv 2505.18129) are `below` 1 of 8; `above` 0 and `below` 1 leaves mixed groups alone.
    """

    min: float = Field(0.0, ge=0, le=1)
    max: float = Field(1.0, ge=0, le=1)
    above: float | None = None
    below: float | None = None

    def keeps(self, row: Difficulty) -> str:
        p = row.pass_rate
        if p < self.min or (self.above is not None and p <= self.above):
            return "pass_rate_low"
        return "pass_rate_high" if p > self.max or (self.below is not None and p >= self.below) else ""


class RewardSum(Rule):
    """The sum of the rewards of all samples: `min` <= sum <= `max`. V-Triune's boxes: [2, 10] of 16 samples."""

    min: float = 2.0
    max: float = 10.0

    def keeps(self, row: Difficulty) -> str:
        # A sum of numbers of ten digits has a last bit of its own.
        if row.total < self.min - 1e-9:
            return "reward_sum_low"
        return "reward_sum_high" if row.total > self.max + 1e-9 else ""


class GreedyWrong(Rule):
    """The greedy answer is wrong and at least `right` of the samples are right: Falcon-HD's (arXiv 2608.18881)."""

    right: int = Field(1, ge=1)

    @property
    def needs_greedy(self) -> bool:
        return True

    def keeps(self, row: Difficulty) -> str:
        if row.greedy_right:
            return "greedy_right"
        return "none_right" if row.right < self.right else ""


RULES: dict[str, type[Rule]] = {"pass-rate": PassRate, "reward-sum": RewardSum, "greedy-wrong": GreedyWrong}


class Keep(BaseModel):
    """Rules by name; a row is kept that all of them keep, and goes by the first that does not."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    rules: dict[str, dict[str, Any]] = {}

    @model_validator(mode="before")
    @classmethod
    def _words(cls, value: Any) -> Any:
        """As words NAME or NAME:KEY=VALUE,KEY=VALUE, or as a table of names with their keys."""
        if isinstance(value, str):
            value = [value]
        if not isinstance(value, list):
            return {"rules": value} if isinstance(value, dict) and "rules" not in value else value
        rules: dict[str, dict[str, str]] = {}
        for word in value:
            name, _, rest = str(word).partition(":")
            pairs = [pair.partition("=") for pair in rest.split(",") if pair]
            if not name or any(not (key and sign) for key, sign, _ in pairs):
                raise ValueError(f"a rule is NAME:KEY=VALUE[,KEY=VALUE], such as pass-rate:min=0.1; got {word!r}")
            rules[name] = {key.strip(): text.strip() for key, _, text in pairs}
        return {"rules": rules}

    @model_validator(mode="after")
    def _known(self) -> Keep:
        assert self.made is not None
        return self

    @cached_property
    def made(self) -> list[Rule]:
        """The rules. Raises ValueError for an unknown one, or for keys that it does not take."""
        found = []
        for name, keys in self.rules.items():
            if name not in RULES:
                raise ValueError(f"no rule is called {name!r} (known: {', '.join(RULES)})")
            try:
                found.append(RULES[name].model_validate(keys))
            except ValidationError as error:
                problems = "; ".join(f"{'.'.join(map(str, item['loc']))}: {item['msg']}" for item in error.errors())
                takes = ", ".join(RULES[name].model_fields)
                raise ValueError(f"{name}: {problems} (it takes {takes})") from None
        return found

    def why_not(self, row: Difficulty) -> str:
        """ "" for a row that is kept, else the first rule's word."""
        return next((word for rule in self.made if (word := rule.keeps(row))), "")


def as_dict(keep: Keep) -> Mapping[str, Any]:
    """The rules with all their keys, for a configuration hash."""
    return {name: rule.model_dump() for name, rule in zip(keep.rules, keep.made, strict=True)}
