from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

pytest.importorskip("transformers")

from pe.annotators.detectors._phrases import Prompt, Prompter, decide, prompt_text
from tests.annotators.detectors.tiny_models import WORDS, save_bert_tokenizer

KNOWN = [word for word in WORDS if not word.startswith("#")]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory: pytest.TempPathFactory) -> Any:
    from transformers import AutoTokenizer

    folder: Path = tmp_path_factory.mktemp("tokenizer")
    save_bert_tokenizer(folder)
    return AutoTokenizer.from_pretrained(folder)


@pytest.mark.parametrize(
    ("phrase", "text"),
    [
        ("U.S. flag", "us flag"),
        ("flag of the U.S.", "flag of the us"),
        ("no. 5", "no 5"),
        ("Mt. Fuji", "mt fuji"),
        ("is it red?", "is it red"),
        (" Traffic  Light\n", "traffic light"),
        ("...", ""),
    ],
)
def test_text_of_a_phrase(phrase: str, text: str) -> None:
    assert prompt_text(phrase) == text


def words_at(tokenizer: Any, prompt: Prompt, index: int) -> str:
    tokens = tokenizer.convert_ids_to_tokens(tokenizer(prompt.text)["input_ids"])
    return " ".join(tokens[position] for position in prompt.spans[index])


def test_a_phrase_owns_its_tokens_and_keeps_its_spelling(tokenizer: Any) -> None:
    (prompt,) = Prompter(tokenizer, 256).prompts(["Red Cat", "U.S. flag", "dogs", "a zebra hat"])
    assert prompt.text == "red cat . us flag . dogs . a zebra hat ."
    assert prompt.phrases == ("Red Cat", "U.S. flag", "dogs", "a zebra hat")
    assert [words_at(tokenizer, prompt, i) for i in range(4)] == ["red cat", "us flag", "dog ##s", "a [UNK] hat"]


def test_empty_repeated_and_unknown_phrases(tokenizer: Any, caplog: pytest.LogCaptureFixture) -> None:
    prompter = Prompter(tokenizer, 256)
    asked = ["", "cat", "Cat", "cat.", "...", "zebra", "\u200b", "dog", "U.S. flag", "US flag"]
    with caplog.at_level(logging.WARNING, logger="pe"):
        (prompt,) = prompter.prompts(asked)
        prompter.prompts(asked)
    assert prompt.phrases == ("cat", "dog", "U.S. flag")
    assert sum("'zebra'" in record.message for record in caplog.records) == 1
    assert prompter.prompts([]) == prompter.prompts(["", "zebra"]) == []


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    phrases=st.lists(st.lists(st.sampled_from(KNOWN), min_size=1, max_size=30).map(" ".join), max_size=60),
    limit=st.integers(8, 256),
)
def test_lists_of_any_length_fit_the_limit(tokenizer: Any, phrases: list[str], limit: int) -> None:
    prompts = Prompter(tokenizer, limit).prompts(phrases)
    seen = [phrase for prompt in prompts for phrase in prompt.phrases]
    distinct = list(dict.fromkeys(phrases))
    # phrases too long for a prompt are cut, and may then be the same as another
    assert seen == [phrase for phrase in distinct if phrase in seen]
    assert {tuple(phrase.split()[: limit - 3]) for phrase in seen} == {tuple(p.split()[: limit - 3]) for p in distinct}
    for prompt in prompts:
        assert len(tokenizer(prompt.text)["input_ids"]) <= limit
        taken = [position for span in prompt.spans for position in span]
        assert len(taken) == len(set(taken))
        for index, phrase in enumerate(prompt.phrases):
            assert words_at(tokenizer, prompt, index).split() == phrase.split()[: limit - 3]


def test_a_box_is_decided_phrase_by_phrase() -> None:
    prompt = Prompt("red cat . dog .", ("red cat", "dog"), ((1, 2), (4,)))
    scores = np.array(
        [
            [0.0, 0.9, 0.5, 0.0, 0.6, 0.0],  # red cat: mean .7, best token .9
            [0.0, 0.9, 0.1, 0.0, 0.6, 0.0],  # the best token is "red", the best phrase is dog
            [0.0, 0.38, 0.3, 0.0, 0.0, 0.0],  # best token and mean suffice
            [0.0, 0.38, 0.0, 0.0, 0.0, 0.0],  # mean .19 is below the text threshold
            [0.0, 0.3, 0.3, 0.0, 0.0, 0.0],  # no token reaches the box threshold
            [0.9, 0.0, 0.0, 0.9, 0.0, 0.9],  # separators belong to no phrase
        ],
        np.float32,
    )
    rows, labels, means = decide(scores, prompt, box_threshold=0.35, text_threshold=0.25)
    assert rows.tolist() == [0, 1, 2]
    assert labels.tolist() == [0, 1, 0]
    assert means == pytest.approx([0.7, 0.6, 0.34])
