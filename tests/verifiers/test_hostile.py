"""A slice of benchmarks/fuzz.py, without its clock: no text makes a verifier fail, or its score go missing."""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from benchmarks.fuzz import BY_WORKER, NO_ENDPOINT, Fuzz, mutations, seeds
from pe.registry import names
from tests.verifiers.attacks import ATTACKS

pytest.importorskip("math_verify")


@pytest.fixture(scope="module")
def fuzz() -> Fuzz:
    return Fuzz(0, limit=None)


def test_every_verifier_takes_part(fuzz: Fuzz) -> None:
    assert set(fuzz.questions) == set(names("verifiers")) - NO_ENDPOINT
    assert set(names("verifiers")) >= BY_WORKER
    assert [name for name, questions in fuzz.questions.items() if not questions] == []


def test_a_slice_of_the_fuzz(fuzz: Fuzz, shared: Path) -> None:
    texts = [*ATTACKS[::6], *mutations(seeds(shared / "transcripts" / "transcripts.jsonl"), 100, random.Random(5))]
    fuzz.run([text[:3000] for text in texts], every=50)
    assert {name: tally.violations for name, tally in fuzz.tallies.items() if tally.violations} == {}
    assert not Path("pe_was_here").exists()  # what the payloads of the corpus would have made
    assert not Path("p").exists()


def test_what_fails_is_found(fuzz: Fuzz, monkeypatch: pytest.MonkeyPatch) -> None:
    own = Fuzz.__new__(Fuzz)
    own.__dict__.update({**fuzz.__dict__, "tallies": type(fuzz.tallies)(fuzz.tallies.default_factory)})
    (question, *_) = fuzz.questions["exact-text"]
    monkeypatch.setattr("pe.verifiers.exact_text.ExactTextVerifier.judge", lambda *_: {"accuracy": float("nan")})
    own.one("exact-text", question, "a")
    monkeypatch.setattr("pe.verifiers.exact_text.ExactTextVerifier.judge", lambda *_: {})
    own.one("exact-text", question, "a")
    own.limit = 0.0
    monkeypatch.undo()
    own.one("exact-text", question, "a")
    first, second, third = own.tallies["exact-text"].violations
    assert "not a finite number" in first
    assert "KeyError" in second
    assert " ms" in third
