"""A row's ceiling is what its own gold text scores: computed again, it has to be what the row was built with."""

from __future__ import annotations

import json
from collections.abc import Iterable

from pe.errors import InputError
from pe.schemas.sample import Sample
from pe.verifiers import Question, score

_TOLERANCE = 2e-6  # ceilings are stored to 6 decimals


def check_ceilings(samples: Iterable[Sample]) -> tuple[int, set[float]]:
    """How many of `samples` have ceilings, and the progresses (0..1) at which their schedules move.

    Raises InputError at the first one that scores otherwise now, with its key and both values: its verifier, its format
    or the geometry under them is another than when it was built, so that its rewards would mean something else.
    """
    checked, moves = 0, set()
    for sample in samples:
        ceilings = _ceilings(sample)
        question = Question.of(sample)
        for progress, built in ceilings:
            found = score(question, [sample.gold_text], progress)[0]
            if found.score is None:
                raise InputError(
                    f"{sample.key} ({sample.data_source}): its gold text, built with a score of {built:.6f}, has no "
                    f"score now: {found.reason}"
                )
            if abs(found.score - built) > _TOLERANCE:
                raise InputError(
                    f"{sample.key} ({sample.data_source}): its gold text was built with a score of {built:.6f} at "
                    f"progress {progress:g}, and scores {found.score:.6f} now: build the rows again with this version "
                    "of pe"
                )
            moves.add(progress)
        checked += bool(ceilings)
    return checked, moves


def _ceilings(sample: Sample) -> list[tuple[float, float]]:
    try:
        return [(float(progress), float(value)) for progress, value in json.loads(sample.ceilings_json)]
    except (ValueError, TypeError) as error:
        raise InputError(f"{sample.key}: ceilings_json holds no pairs of progress and score: {error}") from None
