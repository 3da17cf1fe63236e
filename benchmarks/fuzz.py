"""Hostile text against every verifier: no exception, no score that is missing or not finite, no call over 50 ms.

python -m benchmarks.fuzz [--count 100000] [--seed 0] [--transcripts FILE.jsonl]

Each response is mutated from the corpus of tests/verifiers/attacks.py, gold answers in every format and, where they
are, transcripts; and goes through every registered verifier but the judge, each time with another truth and format.
Those that use math-verify see a sample, and may be missing at the worker's limit, with its reason. Exits 1 on a
violation.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import os
import random
import sys
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from pe.errors import InputError
from pe.formats import Answer, Format, Item
from pe.geometry.masks import encode
from pe.geometry.raster import rings_to_mask
from pe.registry import load, names
from pe.verifiers import Question, check, score
from tests.verifiers.attacks import ATTACKS, BOMBS, endless

LIMIT = 0.05  # seconds of process time
WORST = 5
IMAGE = (640, 480)
INPUTS = (None, (644, 476), (1288, 952))
NO_ENDPOINT = frozenset({"judge"})
BY_WORKER = frozenset(
    {"maths", "v-triune-mathverify", "v-triune-mathverify-compat", "vlm-r1-default-compat", "vlm-r1-math-compat"}
)
FAITHFUL = {"perception-r1-compat": ("the union of the boxes is 0", "a number of more than")}
"""Reasons of a missing score that a -compat verifier documents: there its original fails."""
EVERY = 200  # one response in so many goes to those
SIZES = (60, 300, 1500, 6000, 20000, 65536)
OFTEN = (10, 30, 30, 20, 6, 4)
MARKS = (
    *(
        "<think>",
        "</think>",
        "<answer>",
        "</answer>",
        "```json\n",
        "```",
        "\\boxed{",
        "[",
        "]",
        "{",
        "}",
        "(",
        ")",
        '"',
    ),
    *(
        "'",
        ",",
        ":",
        "<",
        ">",
        "<|box_start|>",
        "<|box_end|>",
        "<|im_end|>",
        "None",
        "null",
        "no",
        "yes",
        "A.",
        "-",
        ".",
    ),
    *(
        "\n",
        "\r\n",
        "\\",
        "\x00",
        "\ud800",
        "\u202e",
        "é",
        "９",
        "1e999",
        "9" * 400,
        "NaN",
        "bbox_2d",
        "label",
        "^",
        "!",
    ),
)
_BOX = [(40.0, 50.0, 200.0, 220.0), (300.0, 100.0, 500.0, 400.0)]
_RINGS = [(40.0, 50.0, 200.0, 50.0, 200.0, 220.0, 40.0, 220.0), (300.0, 100.0, 500.0, 100.0, 400.0, 400.0)]
_POINTS = [(120.0, 130.0), (400.0, 200.0)]
_NAMES = ("cat", "dog")


def truths() -> list[str]:
    """Ground truths of every kind: many objects, one, none, and texts."""
    objects = []
    for name, box, ring, point in zip(_NAMES, _BOX, _RINGS, _POINTS, strict=True):
        rle = encode(rings_to_mask([ring], IMAGE[1], IMAGE[0]))
        mask = {"size": list(rle.size), "counts": rle.counts}
        objects.append({"phrase": name, "bbox": box, "point": point, "rings": [ring], "mask": mask, "text": name})
    persons = [
        {"phrase": "person", "bbox": box, "keypoints": {"nose": point, "left eye": None, "right eye": point}}
        for box, point in zip(_BOX, _POINTS, strict=True)
    ]
    many = [{**objects[i % 2], "phrase": f"thing {i % 7}"} for i in range(60)]
    options = {"A": "a cat", "B": "a dog", "C": "no animal"}
    values = [
        {"objects": objects, "negatives": ["zebra"]},
        {"objects": objects[:1], "count": 1},
        {"objects": [{"phrase": "cat", "rings": [_RINGS[0]]}]},
        {"objects": [{"phrase": "cat", "bbox": _BOX[0]}, {"phrase": "cat", "bbox": _BOX[1]}]},
        {"objects": persons},
        {"objects": many},
        {"negatives": ["zebra"]},
        {"objects": [], "count": 0},
        {"count": 2},
        {"text": "B", "options": options, "question": "What is on the mat?"},
        {"text": "yes", "question": "Is there a cat?"},
        {"text": "\\frac{1}{2}"},
        {"text": "a red car on the street"},
        {"text": '{"name": "cat", "legs": 4}'},
    ]
    return [json.dumps(value) for value in values] + ["<answer>\\boxed{4}</answer>", "cat"]


def golds() -> list[str]:
    """Right answers in every format that writes, of every shape it writes."""
    points = {"nose": _POINTS[0], "left eye": None}
    shapes = {
        "bbox": [Item(name, bbox=box) for name, box in zip(_NAMES, _BOX, strict=True)],
        "point": [Item(name, point=point) for name, point in zip(_NAMES, _POINTS, strict=True)],
        "rings": [Item(name, rings=(_RINGS[0],)) for name in _NAMES],
        "keypoints": [Item("person", bbox=_BOX[0], keypoints=points)],
    }
    written = []
    for name in names("formats"):
        form: Format = load("formats", name)()
        for shape in sorted(form.writes):
            if shape == "text":
                answers = [Answer(text=text, thought="so") for text in ("B", "yes", "\\frac{1}{2}", "a red car", "4")]
            else:
                answers = [Answer(tuple(shapes[shape])), Answer(tuple(shapes[shape]), thought="first the cat")]
            for answer in answers:
                try:
                    written.append(form.encode(answer, IMAGE))
                except InputError:  # a shape of several rings, a thought and so on: not this format's
                    continue
    return written


def mutations(seeds: Sequence[str], count: int, rng: random.Random) -> Iterator[str]:
    """`count` texts, each a seed with up to four changes, mostly short and never above 64 kB."""
    for _ in range(count):
        text = rng.choice(seeds)
        most = rng.choices(SIZES, OFTEN)[0]
        for _ in range(rng.randint(0, 4)):
            text = _change(text, seeds, rng, most)
        yield text[:most]


def _change(text: str, seeds: Sequence[str], rng: random.Random, most: int) -> str:
    at, to = sorted(rng.randint(0, len(text)) for _ in range(2))
    how = rng.randrange(6)
    if how == 0:
        return text[:at] if rng.random() < 0.5 else text[at:]
    if how == 1:
        piece = text[at : min(to, at + rng.choice((1, 8, 64, 512)))] or rng.choice(MARKS)
        return text[:at] + piece * rng.randint(2, max(2, min(5000, most // len(piece)))) + text[to:]
    if how == 2:
        other = rng.choice(seeds)
        return text[:at] + other[rng.randint(0, len(other)) :]
    if how == 3 and text:
        chars = list(text[:most])
        for _ in range(rng.randint(1, 8)):
            chars[rng.randrange(len(chars))] = chr(rng.choice((rng.randrange(32, 127), rng.randrange(0x3000))))
        return "".join(chars)
    if how == 4:
        return rng.choice(("<think>", "<answer>", "<think>a</think><answer>", "```json\n", "\\boxed{")) + text
    return text[:at] + "".join(rng.choices(MARKS, k=rng.randint(1, 6))) + text[at:]


@dataclass
class Tally:
    """What happened to one verifier."""

    calls: int = 0
    missing: Counter[str] = field(default_factory=Counter)
    worst: float = 0.0
    worst_text: str = ""
    violations: list[str] = field(default_factory=list)


class Fuzz:
    """Every verifier with the questions that fit it. `limit` is the process time of a call, None for any."""

    def __init__(self, seed: int, limit: float | None = LIMIT) -> None:
        self.rng = random.Random(seed)
        self.limit = limit
        self.tallies: dict[str, Tally] = defaultdict(Tally)
        self.questions: dict[str, list[Question]] = {}
        for name in names("verifiers"):
            if name in NO_ENDPOINT:
                continue
            self.questions[name] = fits = self._fitting(name)
            if not fits:
                self.tallies[name].violations.append("no truth of the fuzz fits it")

    def _fitting(self, name: str) -> list[Question]:
        fits = []
        for truth in truths():
            forms = () if name in BY_WORKER else self.rng.sample(names("formats"), 1)
            for form in ("", *forms):
                params = json.dumps({"format": form} if form else {})
                question = Question(name, truth, IMAGE, params, input_size=self.rng.choice(INPUTS))
                try:
                    check(question)
                except InputError:
                    continue
                fits.append(question)
        return fits

    def run(self, texts: Sequence[str], every: int = EVERY) -> None:
        """All of `texts` through every verifier, those of the worker with one in `every`."""
        gc.collect()
        gc.freeze()
        for index, text in enumerate(texts):
            for name, questions in self.questions.items():
                if questions and (name not in BY_WORKER or index % every == 0):
                    self.one(name, self.rng.choice(questions), text)

    def one(self, name: str, question: Question, text: str) -> None:
        """One response to one question."""
        tally = self.tallies[name]
        tally.calls += 1
        progress = self.rng.random()
        taken = math.inf
        for _ in range(3 if self.limit is not None else 1):  # what is slow only once was the machine
            since = time.process_time()
            try:
                (got,) = score(question, [text], progress, [len(text) // 4])
            except Exception as error:  # this is what it looks for
                self._violation(tally, question, text, f"raised {type(error).__name__}: {error}")
                return
            taken = min(taken, time.process_time() - since)
            if self.limit is None or taken <= self.limit / 5:
                break
        if taken > tally.worst:
            tally.worst, tally.worst_text = taken, _shown(question, text)
        if self.limit is not None and taken > self.limit:
            self._violation(tally, question, text, f"{1000 * taken:.0f} ms{self._decoding(question, text)}")
        if got.score is None:
            tally.missing[got.reason] += 1
            known = ("the maths worker",) if name in BY_WORKER else FAITHFUL.get(name, ())
            if not any(reason in got.reason for reason in known):
                self._violation(tally, question, text, f"missing: {got.reason}")
        elif not math.isfinite(got.score):
            self._violation(tally, question, text, f"score {got.score}")

    def _decoding(self, question: Question, text: str) -> str:
        form = json.loads(question.params_json).get("format")
        form = form or load("verifiers", question.verifier).Parameters.model_fields["format"].default
        since = time.process_time()
        load("formats", form)().decode(text, IMAGE, question.input_size)
        return f", {1000 * (time.process_time() - since):.0f} ms of it in the decoder {form}"

    @staticmethod
    def _violation(tally: Tally, question: Question, text: str, what: str) -> None:
        tally.violations.append(f"{what} | {_shown(question, text)}")

    def report(self) -> int:
        """Print the table, the slowest and the violations; how many there are."""
        print(f"{'verifier':32} {'calls':>8} {'missing':>8} {'worst ms':>9} {'violations':>11}")
        for name in sorted(self.tallies):
            tally = self.tallies[name]
            print(
                f"{name:32} {tally.calls:8,} {tally.missing.total():8,} {1000 * tally.worst:9.2f} "
                f"{len(tally.violations):11,}"
            )
        print("\nslowest:")
        for name, tally in sorted(self.tallies.items(), key=lambda pair: -pair[1].worst)[:WORST]:
            print(f"  {1000 * tally.worst:7.2f} ms  {name}: {tally.worst_text}")
        for name, tally in sorted(self.tallies.items()):
            for reason, times in tally.missing.most_common(3):
                print(f"  missing {times} x {name}: {reason}")
        for name, tally in sorted(self.tallies.items()):
            for violation in tally.violations[:10]:
                print(f"VIOLATION {name}: {violation}")
        return sum(len(tally.violations) for tally in self.tallies.values())


def _shown(question: Question, text: str) -> str:
    return f"{question.params_json} {question.ground_truth[:60]} <- {len(text):,} characters: {text[:80]!a}"


def seeds(transcripts: Path | None = None) -> list[str]:
    """The corpus, gold answers, and the texts of `transcripts` (JSON lines with a `text`)."""
    found = [*ATTACKS, *(gold for gold in golds() for _ in range(4))]
    if transcripts is not None and transcripts.is_file():
        lines = transcripts.read_text(encoding="utf-8").splitlines()
        found += [str(json.loads(line)["text"]) for line in lines if line.strip()] * 4
    return found


def main() -> int:
    """Run it; 1 on a violation."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--transcripts", type=Path)
    given = parser.parse_args()
    data = Path(os.environ.get("PE_TEST_DATA", Path(__file__).resolve().parents[2] / "shared" / "data"))
    corpus = seeds(given.transcripts or data / "transcripts" / "transcripts.jsonl")
    fuzz = Fuzz(given.seed)
    since = time.process_time()
    done = 0
    with suppress(KeyboardInterrupt):  # the table of what was done so far
        fuzz.run([*ATTACKS, *endless(65536)])
        fuzz.run([f"<answer>\\boxed{{{bomb}}}</answer>" for bomb in BOMBS], every=4)
        texts = mutations(corpus, given.count, random.Random(given.seed))
        while block := list(islice(texts, 500)):
            fuzz.run(block)
            done += len(block)
            if sys.stderr.isatty():
                print(f"\r{done:,} responses", end="", file=sys.stderr)
    violations = fuzz.report()
    calls = sum(tally.calls for tally in fuzz.tallies.values())
    print(
        f"\n{done:,} mutated responses and the corpus through {len(fuzz.tallies)} verifiers: {calls:,} scores, "
        f"{violations:,} violations, {time.process_time() - since:.0f} s of process time"
    )
    return 1 if violations or done < given.count else 0


if __name__ == "__main__":
    sys.exit(main())
