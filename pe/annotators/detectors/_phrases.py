"""Phrases for detectors that read one text, "a . b . c .": prompts of any number of phrases, and whose box is whose.

Grounding DINO (https://github.com/IDEA-Research/GroundingDINO) scores every box against every token. Reading the label
off the tokens above a threshold joins words of different phrases; here each phrase is scored by its own tokens alone.
"""

from __future__ import annotations

import logging
import re
from abc import abstractmethod
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt

from pe.annotators.base import AdapterSettings, Detections, Detector, equal_batches
from pe.annotators.detectors._finish import Floats, distinct, finish
from pe.shards.pictures import Picture

log = logging.getLogger("pe")


@dataclass(frozen=True, slots=True)
class Prompt:
    """One text within the model's limit: its phrases as asked, and the positions of each one's tokens."""

    text: str
    phrases: tuple[str, ...]
    spans: tuple[tuple[int, ...], ...]


def prompt_text(phrase: str) -> str:
    """`phrase` as it stands in a prompt: lower case, without the "." and "?" that separate phrases there.

    The dots of an abbreviation vanish ("U.S. flag" is "us flag"), all others become spaces.
    """
    text = re.sub(r"(?<=\b\w)\.(?=\w\b|\s|$)", "", phrase)
    return " ".join(re.sub(r"[.?]", " ", text).lower().split())


class Prompter:
    """Packs phrase lists into prompts of at most `limit` tokens, special ones included, for one fast tokenizer."""

    def __init__(self, tokenizer: Any, limit: int) -> None:
        self._tokenizer = tokenizer
        self._limit = limit
        self._logged: set[str] = set()

    def prompts(self, phrases: Sequence[str]) -> list[Prompt]:
        """Prompts that hold every phrase once.

        Left out: empty phrases, repetitions (case and separators do not count) and, logged once, phrases of which the
        tokenizer knows no part: they can be neither found nor missed. A phrase too long for a prompt is cut.
        """
        packs: list[tuple[list[str], list[str]]] = []
        room = 0
        seen: set[str] = set()
        for phrase in distinct(phrases):
            text, cost = self._fitted(prompt_text(phrase))
            if not cost:
                if phrase not in self._logged:
                    self._logged.add(phrase)
                    log.warning("the detector's vocabulary has no part of %r: not looked for", phrase)
                continue
            if text in seen:
                continue
            seen.add(text)
            if cost > room:
                packs.append(([], []))
                room = self._limit - 2
            packs[-1][0].append(phrase)
            packs[-1][1].append(text)
            room -= cost
        return [self._prompt(asked, texts) for asked, texts in packs]

    def _fitted(self, text: str) -> tuple[str, int]:
        """`text` cut to what fits a prompt and its cost in tokens with its separator; 0 when none is known."""
        encoding = self._tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
        ids, offsets = encoding["input_ids"], encoding["offset_mapping"]
        if all(token == self._tokenizer.unk_token_id for token in ids):
            return "", 0
        most = self._limit - 3
        if len(ids) > most:
            text = text[: offsets[most - 1][1]]
        return text, min(len(ids), most) + 1

    def _prompt(self, phrases: Sequence[str], texts: Sequence[str]) -> Prompt:
        text = " . ".join(texts) + " ."
        offsets = self._tokenizer(text, return_offsets_mapping=True)["offset_mapping"]
        spans = []
        start = 0
        for part in texts:
            end = start + len(part)
            spans.append(tuple(i for i, (low, high) in enumerate(offsets) if start <= low < high <= end))
            start = end + 3
        return Prompt(text, tuple(phrases), tuple(spans))


def decide(
    scores: npt.NDArray[np.float32], prompt: Prompt, box_threshold: float, text_threshold: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], Floats]:
    """(queries, phrases, scores) of the boxes kept, from `scores` (Q, T): each query's score for each token.

    A phrase's score is the mean over its tokens; the best phrase is the box's; it is kept when its best token reaches
    `box_threshold` and its score `text_threshold`.
    """
    means = np.stack([scores[:, list(span)].mean(axis=1, dtype=np.float64) for span in prompt.spans], axis=1)
    peaks = np.stack([scores[:, list(span)].max(axis=1) for span in prompt.spans], axis=1)
    labels = means.argmax(axis=1)
    rows = np.arange(len(labels))
    kept = np.flatnonzero((peaks[rows, labels] >= box_threshold) & (means[rows, labels] >= text_threshold))
    return kept, labels[kept], means[kept, labels[kept]]


class PromptedDetector(Detector):
    """A detector that takes a picture and a prompt; subclasses turn batches of both into token scores and boxes."""

    def __init__(self, settings: AdapterSettings, tokenizer: Any, limit: int) -> None:
        super().__init__(settings)
        prompter = Prompter(tokenizer, limit)
        self._prompts = lru_cache(maxsize=64)(lambda phrases: prompter.prompts(phrases))

    @abstractmethod
    def _pixels(self, picture: Picture) -> Any:
        """The picture as the model takes it, (3, H, W)."""

    @abstractmethod
    def _forward(self, pixels: list[Any], prompts: list[Prompt]) -> list[tuple[npt.NDArray[np.float32], Floats]]:
        """Per picture, scores (Q, T) in 0..1 and boxes (Q, 4) as centre x, y, width, height in fractions."""

    def _apart(self, prompt: Prompt) -> Hashable:
        """What must be equal for prompts to share a batch."""
        return None

    def detect(self, pictures: Sequence[Picture], phrases: Sequence[Sequence[str]]) -> list[Detections]:
        prompts = [self._prompts(tuple(asked)) for asked in phrases]
        pixels = {i: self._pixels(picture) for i, picture in enumerate(pictures) if prompts[i]}
        work = [(i, prompt) for i, group in enumerate(prompts) for prompt in group]
        keys = [(tuple(pixels[i].shape), self._apart(prompt)) for i, prompt in work]
        kept: dict[tuple[int, str], tuple[Floats, npt.NDArray[np.int64], Floats]] = {}
        for batch in equal_batches(keys, self.settings.batch_size):
            members = [work[index] for index in batch]
            outputs = self._forward([pixels[i] for i, _ in members], [prompt for _, prompt in members])
            for (i, prompt), (scores, boxes) in zip(members, outputs, strict=True):
                rows, labels, means = decide(scores, prompt, self.settings.box_threshold, self.settings.text_threshold)
                kept[i, prompt.text] = (boxes[rows], labels, means)
        return [self._detections(i, picture, prompts[i], kept) for i, picture in enumerate(pictures)]

    def _detections(
        self,
        index: int,
        picture: Picture,
        prompts: Sequence[Prompt],
        kept: dict[tuple[int, str], tuple[Floats, npt.NDArray[np.int64], Floats]],
    ) -> Detections:
        names = [phrase for prompt in prompts for phrase in prompt.phrases]
        if not names:
            return Detections()
        parts = [kept[index, prompt.text] for prompt in prompts]
        first = np.cumsum([0, *(len(prompt.phrases) for prompt in prompts)])
        boxes = np.concatenate([part[0] for part in parts])
        half = boxes[:, 2:] / 2
        corners = np.hstack([boxes[:, :2] - half, boxes[:, :2] + half])
        return finish(
            corners * [picture.width, picture.height, picture.width, picture.height],
            np.concatenate([part[2] for part in parts]),
            np.concatenate([part[1] + start for part, start in zip(parts, first, strict=False)]),
            names,
            (picture.width, picture.height),
            self.settings.nms_threshold,
            asked=names,
            keep_suppressed=True,
        )
