from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pe.evaluation.generation.seeds import answer_seed, uniforms
from pe.evaluation.generation.settings import GenerationSettings

torch = pytest.importorskip("torch")


def tokens(scores: list[float], answers: list[tuple[str, int]], **settings: float) -> list[int]:
    """The token that is drawn for each answer at its first step, all from the same scores."""
    from pe.evaluation.generation.draw import drawing

    values = torch.tensor([scores] * len(answers))
    ids = torch.zeros((len(answers), 5), dtype=torch.long)
    for step in drawing(GenerationSettings(samples=2, max_new_tokens=4, **settings), answers, 5):
        values = step(ids, values)
    assert torch.isfinite(values).sum() == len(answers)
    return values.argmax(-1).tolist()


def test_tokens_come_as_often_as_they_are_likely() -> None:
    shares = [0.5, 0.3, 0.15, 0.05]
    drawn = tokens(np.log(shares).tolist(), [("k", number) for number in range(4000)])
    found = np.bincount(drawn, minlength=4) / 4000
    assert np.abs(found - shares).max() < 0.03


def test_a_draw_belongs_to_its_answer_and_not_to_its_place() -> None:
    scores = np.random.default_rng(0).normal(size=50).tolist()
    answers = [(f"k{number}", number % 3) for number in range(20)]
    alone = [tokens(scores, [answer])[0] for answer in answers]
    assert tokens(scores, answers) == alone
    assert tokens(scores, answers[::-1]) == alone[::-1]
    assert tokens(scores, answers, seed=1) != alone


def test_what_cannot_be_is_never_drawn() -> None:
    scores = [-np.inf, 0.0, -np.inf, 0.0, -np.inf]
    assert set(tokens(scores, [("k", number) for number in range(300)])) == {1, 3}


def test_top_k_top_p_and_temperature() -> None:
    scores = np.log([0.4, 0.3, 0.2, 0.1]).tolist()
    answers = [("k", number) for number in range(300)]
    assert set(tokens(scores, answers, top_k=2)) == {0, 1}
    assert set(tokens(scores, answers, top_p=0.6)) == {0, 1}
    cold = np.bincount(tokens(scores, answers, temperature=0.1), minlength=4)
    assert cold[0] > 270


@given(st.integers(0, 2**40), st.text(max_size=20), st.integers(0, 1023))
def test_numbers_are_the_answers_own(seed: int, key: str, number: int) -> None:
    assert 0 <= answer_seed(seed, key, number) < 2**31
    found = uniforms(seed, key, number, 8)
    assert ((found >= 0) & (found < 1)).all()
    assert (found == uniforms(seed, key, number, 8)).all()
    assert (found[:3] == uniforms(seed, key, number, 3)).all()
