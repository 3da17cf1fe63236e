"""Adds up responses and their scores by data source."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from pe.errors import InputError
from pe.evaluation.monitors.figures import Figures, figures
from pe.evaluation.monitors.objects import object_sums
from pe.evaluation.monitors.reflection import reflection_words
from pe.verifiers import Question, Score, panel, read_answers


class Monitor:
    """`add` responses with their scores, read `figures`, `clear` for the next step; memory does not grow.

    A response is correct when its verifier's first component (accuracy, as a rule) is at least `correct`: V-Triune
    asks for 1, which no written box reaches. It is clipped when it has `max_tokens` tokens or more. The state is sums
    alone, so that those of several processes add up (`state`, `merge`).
    """

    def __init__(self, correct: float = 0.5, max_tokens: int | None = None) -> None:
        self._correct = correct
        self._max_tokens = max_tokens
        self._sums: dict[str, defaultdict[str, float]] = {}

    def add(
        self,
        question: Question,
        data_source: str,
        responses: Sequence[str],
        scores: Sequence[Score],
        tokens: Sequence[int] | None = None,
    ) -> None:
        """Count `responses` to one question with one score, and one length in `tokens`, each."""
        sums = self._of(data_source)
        lengths: Sequence[int | None] = tokens or [None] * len(responses)
        for text, score, length in zip(responses, scores, lengths, strict=True):
            _add(sums, _score_sums(score))
            _add(sums, self._text_sums(text, score, length))
        try:
            verifier = panel(question.verifier, question.params_json).verifiers[0]
            truth, answers = read_answers(question, responses)
        except InputError:  # the score is missing for the same reason, and counted as that
            return
        for answer, length in zip(answers if verifier.shapes else (), lengths, strict=False):
            sums["read"] += 1
            _add(sums, object_sums(truth, answer, verifier, question.image))
            if length is not None and answer.objects:
                _add(sums, {"object_tokens": length, "objects_with_tokens": len(answer.objects)})

    def figures(self) -> dict[str, Figures]:
        """Every figure of every data source; None where there is nothing to divide by."""
        return {source: figures(sums) for source, sums in sorted(self._sums.items())}

    def total(self) -> Figures:
        """The figures of all data sources together."""
        together: defaultdict[str, float] = defaultdict(float)
        for sums in self._sums.values():
            _add(together, sums)
        return figures(together)

    def flat(self) -> dict[str, float]:
        """{"figure/data source": value} for a tracker; what is None is left out."""
        return {
            f"{name}/{source}": value
            for source, found in self.figures().items()
            for name, value in found.items()
            if value is not None
        }

    def state(self) -> dict[str, dict[str, float]]:
        """All that was added up, as plain tables."""
        return {source: dict(sums) for source, sums in self._sums.items()}

    def merge(self, state: Mapping[str, Mapping[str, float]]) -> None:
        """Add another monitor's `state`."""
        for source, sums in state.items():
            _add(self._of(source), sums)

    def clear(self) -> None:
        """Start again from nothing."""
        self._sums.clear()

    def _of(self, data_source: str) -> defaultdict[str, float]:
        return self._sums.setdefault(data_source, defaultdict(float))

    def _text_sums(self, text: str, score: Score, tokens: int | None) -> Mapping[str, float]:
        words = reflection_words(text)
        one: dict[str, float] = {"texts": 1, "length": len(text), "reflecting": bool(words)}
        if tokens is not None:
            one |= {"counted": 1, "tokens": tokens}
            if self._max_tokens is not None:
                one |= {"limited": 1, "clipped": tokens >= self._max_tokens}
        sums = one | {f"word_{word}": count for word, count in words.items()}
        main = next(iter(score.components.values()), None)
        if main is not None:
            right = main >= self._correct
            sums |= {f"{name}_{'correct' if right else 'wrong'}": value for name, value in one.items()}
            sums |= {"judged": 1, "correct": right}
        return sums


def _score_sums(score: Score) -> Mapping[str, float]:
    sums: dict[str, float] = {"responses": 1, f"state_{score.state}": 1, "missing": score.score is None}
    if score.score is not None:
        sums |= {"scored": 1, "score": score.score}
    for kind, values in (("component", score.components), ("metric", score.metrics)):
        for name, value in values.items():
            if value is not None:
                sums |= {f"{kind}_{name}": value, f"n_{kind}_{name}": 1}
    return sums


def _add(sums: defaultdict[str, float], part: Mapping[str, float]) -> None:
    for name, value in part.items():
        sums[name] += value
