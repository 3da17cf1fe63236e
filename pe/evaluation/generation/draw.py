"""Tokens drawn by numbers that belong to the answer, so that it does not matter what shares a batch with it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from transformers import LogitsProcessor, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

from pe.evaluation.generation.seeds import uniforms
from pe.evaluation.generation.settings import GenerationSettings


def drawing(settings: GenerationSettings, answers: Sequence[tuple[str, int]], start: int) -> list[Any]:
    """Logits processors that draw the next token of each of `answers` (key, sample); nothing for greedy answers.

    They follow temperature, top k and top p, and leave one token alone possible, so that the search that comes after
    them is greedy. `start` is the length of the padded prompts.
    """
    if not settings.heat:
        return []
    drawn = np.stack([uniforms(settings.seed, *answer, settings.max_new_tokens) for answer in answers])
    found: list[Any] = [TemperatureLogitsWarper(settings.heat)] if settings.heat != 1 else []
    found += [TopKLogitsWarper(settings.top_k)] if settings.top_k else []
    found += [TopPLogitsWarper(settings.top_p)] if settings.top_p < 1 else []
    return [*found, _Draw(torch.from_numpy(drawn), start)]


class _Draw(LogitsProcessor):  # type: ignore[misc]
    """The token at which the cumulated probability passes the answer's number for this step."""

    def __init__(self, numbers: torch.Tensor, start: int) -> None:
        self._numbers = numbers
        self._start = start

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        passed = scores.double().softmax(-1).cumsum(-1)
        wanted = self._numbers[:, input_ids.shape[1] - self._start, None].to(scores.device) * passed[:, -1:]
        token = torch.searchsorted(passed, wanted, right=True).clamp_(max=scores.shape[1] - 1)
        return torch.full_like(scores, -torch.inf).scatter_(1, token, 0.0)
