"""The coordinate tokens of a format in a model's tokenizer: one token each, and never dropped from the text.

New ones are no special tokens: decoding that skips those, as many tools do, would take them out of the answer.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from pe.errors import InputError, ModelError
from pe.formats import Format, Vocabulary
from pe.registry import load


def add_coordinates(model: Any, processor: Any, format_name: str) -> list[int]:
    """Give the tokenizer of `processor`, and `model`, the coordinate tokens of a format; the ids that are new to them.

    Tokens that are there already stay as they are. "taken" tokens take over the last ordinary ids and their weights, as
    Rex-Omni does, or are appended where the vocabulary is too small for that. Raises ModelError where native tokens are
    missing or the tokenizer does not bring the tokens back as text.
    """
    form: type[Format] = load("formats", format_name)
    vocabulary = form.vocabulary
    if vocabulary is None:
        return []
    tokens = vocabulary.tokens()
    tokenizer = processor.tokenizer
    known = tokenizer.get_vocab()
    missing = [token for token in tokens if token not in known]
    if len(missing) < len(tokens) and missing:
        raise ModelError(f"format {format_name}: the tokenizer has some of its tokens and not {missing[0]}")
    new: list[int] = []
    if missing and vocabulary.origin == "native":
        raise ModelError(
            f"format {format_name} writes {tokens[0]} .. {tokens[-1]}, which this model's tokenizer does not have: "
            "train a model that has them, or another format"
        )
    if missing:
        if vocabulary.origin != "taken" or not _take(processor, vocabulary):
            _append(model, processor.tokenizer, tokens)
        new = [int(number) for number in processor.tokenizer.convert_tokens_to_ids(tokens)]
    check_coordinates(processor.tokenizer, format_name)
    return new


def check_coordinates(tokenizer: Any, format_name: str) -> None:
    """Raise ModelError unless every coordinate token of a format is one token that decoding brings back."""
    form: type[Format] = load("formats", format_name)
    if form.vocabulary is None:
        return
    for token in form.vocabulary.tokens():
        ids = tokenizer.encode(token, add_special_tokens=False)
        if len(ids) != 1 or tokenizer.decode(ids).strip() != token:
            raise ModelError(
                f"format {format_name}: the tokenizer makes {len(ids)} tokens of {token} and decodes them as "
                f"{tokenizer.decode(ids)!r}: it has to be one token"
            )


def _append(model: Any, tokenizer: Any, tokens: list[str]) -> None:
    from transformers import AddedToken

    tokenizer.add_tokens([AddedToken(token, special=False, normalized=False) for token in tokens])
    # A model may have spare rows, as Qwen's do.
    if len(tokenizer) > model.get_input_embeddings().num_embeddings:
        model.resize_token_embeddings(len(tokenizer))


def _take(processor: Any, vocabulary: Vocabulary) -> bool:
    """Rename the last ordinary tokens; False where those are too few or single bytes."""
    tokenizer = processor.tokenizer
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is None:
        raise InputError(f"{type(tokenizer).__name__} is no tokenizer of the tokenizers library, which is needed here")
    state: dict[str, Any] = json.loads(backend.to_str())
    words: dict[str, int] = state["model"]["vocab"] if isinstance(state["model"].get("vocab"), dict) else {}
    if len(words) < vocabulary.count or sorted(words.values()) != list(range(len(words))):
        return False
    by_id = {number: word for word, number in words.items()}
    ids = vocabulary.ids(len(words))
    taken = {by_id[number] for number in ids}
    used = {item["content"] for item in state["added_tokens"]}
    if any(len(word) == 1 for word in taken) or taken & used:
        return False
    for number, token in zip(ids, vocabulary.tokens(), strict=True):
        del words[by_id[number]]
        words[token] = number
        plain = dict.fromkeys(("single_word", "lstrip", "rstrip", "normalized", "special"), False)
        state["added_tokens"].append({"id": number, "content": token, **plain})
    state["added_tokens"].sort(key=lambda item: item["id"])
    state["model"]["merges"] = [pair for pair in state["model"].get("merges", []) if not _touches(pair, taken)]
    processor.tokenizer = _reloaded(tokenizer, state)
    return True


def _touches(pair: Any, taken: set[str]) -> bool:
    left, right = pair.split(" ", 1) if isinstance(pair, str) else pair
    return left in taken or right in taken or left + right in taken


def _reloaded(tokenizer: Any, state: dict[str, Any]) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        tokenizer.save_pretrained(folder)
        (Path(folder) / "tokenizer.json").write_text(json.dumps(state, ensure_ascii=False), encoding="utf-8")
        for name in ("vocab.json", "merges.txt", "added_tokens.json"):
            (Path(folder) / name).unlink(missing_ok=True)
        again = type(tokenizer).from_pretrained(folder)
    again.padding_side = tokenizer.padding_side
    return again
