"""How long a row is for a model: counted once, when the row is built."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pe import registry
from pe.errors import InputError


class TokenCounter:
    """Counts text with the tokenizer in a folder or on the hub, and pictures by its processor's own patches.

    Pictures count where the folder's preprocessor_config.json has patch_size and merge_size (Qwen2-VL and its kin): a
    token a square of patch_size * merge_size pixels of what the model sees. Without a tokenizer every row has 0.
    """

    def __init__(self, name: str) -> None:
        self._tokenizer: Any = None
        self._square = 0
        if not name:
            return
        registry.require("counting tokens", "models", "transformers")
        from transformers import AutoTokenizer

        try:
            self._tokenizer = AutoTokenizer.from_pretrained(name)
        except (OSError, ValueError) as error:
            reason = " ".join(str(error).split())[:200]
            raise InputError(f"tokenizer {name}: cannot be loaded: {reason}; name a folder or a hub id") from None
        config = Path(name) / "preprocessor_config.json"
        if config.is_file():
            values = json.loads(config.read_text("utf-8"))
            self._square = int(values.get("patch_size", 0)) * int(values.get("merge_size", 0))

    def count(self, texts: Sequence[str], seen: tuple[int, int]) -> int:
        """Tokens of `texts` and of a picture that the model sees in `seen` = (width, height) pixels."""
        if self._tokenizer is None:
            return 0
        ids = self._tokenizer(list(texts), add_special_tokens=False)["input_ids"]
        picture = (seen[0] // self._square) * (seen[1] // self._square) if self._square else 0
        return sum(map(len, ids)) + picture
