"""The vocabulary of the drawn world and the prompts that training asks."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from pe.engines.synthetic.looks import COLOURS, KEPT_OUT, SIZES, TEXTURES
from pe.engines.synthetic.outlines import SHAPES

NAMES = tuple(COLOURS)
_SPECIAL = {"[PAD]": 0, "[UNK]": 100, "[CLS]": 101, "[SEP]": 102, ".": 1012, "?": 1029}
WORDS = [*SHAPES, *NAMES, *TEXTURES, *SIZES]
IDS = {word: 1030 + i for i, word in enumerate(WORDS)}
LENGTH = 1030 + len(WORDS)
KINDS = (len(SHAPES), len(NAMES), len(TEXTURES))


def save_tokenizer(folder: Path) -> None:
    """A BERT tokenizer whose special tokens have the numbers that Grounding DINO takes for granted."""
    from transformers import BertTokenizer

    vocabulary = {f"[unused{i}]": i for i in range(1030)}
    for word, number in _SPECIAL.items():
        del vocabulary[f"[unused{number}]"]
        vocabulary[word] = number
    tokenizer = BertTokenizer(vocab=dict(sorted({**vocabulary, **IDS}.items(), key=lambda item: item[1])))
    tokenizer.save_pretrained(folder)


def phrase_of(kind: np.ndarray, mode: int) -> tuple[str, ...]:
    """The words that name a thing in one of four ways: shape, colour shape, texture shape, texture colour shape."""
    shape, colour, texture = SHAPES[kind[0]], NAMES[kind[1]], TEXTURES[kind[2]]
    return [(shape,), (colour, shape), (texture, shape), (texture, colour, shape)][mode]


def prompt(
    rng: np.random.Generator, kinds: np.ndarray, modes: tuple[float, ...] = (0.25, 0.6, 0.08, 0.07)
) -> tuple[list[tuple[str, ...]], list[int]]:
    """Phrases in random order and, per thing of `kinds` (N, 3), the phrase that it is the target of.

    Things of one shape are all named in the same way, so that no thing is the target of two phrases; one to seven
    phrases are true of nothing in the scene, half of them one word away from one that is.
    """
    way = {int(shape): int(rng.choice(4, p=modes)) for shape in np.unique(kinds[:, 0])}
    named = [phrase_of(kind, way[int(kind[0])]) for kind in kinds]
    asked = list(dict.fromkeys(named))
    wanted = len(asked) + int(rng.integers(1, 8))
    for _ in range(40):
        if len(asked) >= wanted:
            break
        kind = np.array([rng.integers(len(SHAPES)), rng.integers(len(NAMES)), rng.integers(len(TEXTURES))])
        if len(kinds) and rng.random() < 0.5:
            near = kinds[int(rng.integers(len(kinds)))]
            kind = near.copy()
            which = int(rng.integers(2))
            kind[which] = int(rng.integers(len(SHAPES if which == 0 else NAMES)))
        if (SHAPES[kind[0]], NAMES[kind[1]]) in KEPT_OUT:
            continue
        mode = int(rng.choice(4, p=modes))
        if any(all(kind[part] == thing[part] for part in _PARTS[mode]) for thing in kinds):
            continue
        phrase = phrase_of(kind, mode)
        if phrase not in asked:
            asked.append(phrase)
    order = rng.permutation(len(asked))
    asked = [asked[i] for i in order]
    return asked, [asked.index(phrase) for phrase in named]


_PARTS = ((0,), (0, 1), (0, 2), (0, 1, 2))


def encode(phrases: list[tuple[str, ...]]) -> tuple[list[int], list[list[int]]]:
    """Token ids of "[CLS] a b . c . [SEP]" and the positions of each phrase's words."""
    ids, spans = [101], []
    for phrase in phrases:
        spans.append(list(range(len(ids), len(ids) + len(phrase))))
        ids += [*(IDS[word] for word in phrase), 1012]
    return [*ids, 102], spans
