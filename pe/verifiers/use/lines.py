"""JSON lines: one response and its truth in, its score out."""

from __future__ import annotations

import json

from pe.errors import InputError
from pe.registry import load
from pe.verifiers import Score, panel, score
from pe.verifiers.service.wire import Malformed, read_items


def score_line(text: str, verifier: str, params_json: str = "{}", weights_json: str = "{}") -> Score:
    """The score of the response in one line of JSON: an item of the reward service without its `verifier`.

    `params` and `weights` of the line stand for those given here. `image_size` may be left out where no coordinates
    are read, `ground_truth` where the form alone counts. Raises InputError for any other line.
    """
    try:
        line = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise InputError(f"not JSON: {error}") from None
    if not isinstance(line, dict):
        raise InputError("not a JSON object")
    for key in ("verifier", "responses"):
        if key in line:
            raise InputError(f"{key}: a line has one `response`, and the verifier is named before")
    item = {"params": params_json, "weights": weights_json, **line, "verifier": verifier}
    if "image_size" not in item:
        item["image_size"] = _any_size(verifier, item["params"])
    if load("verifiers", verifier).behaviour == "form":
        item.setdefault("ground_truth", "{}")
    (read,) = read_items(json.dumps({"items": [item]}).encode())
    if isinstance(read, Malformed):
        raise InputError(read.error)
    return score(read.question, read.responses, read.progress, read.tokens)[0]


def _any_size(verifier: str, params: object) -> tuple[int, int]:
    """A size for what reads no coordinates. Raises InputError for what does."""
    for name in panel(verifier, params if isinstance(params, str) else json.dumps(params)).formats:
        if load("formats", name).coordinates != "none":
            raise InputError(f"image_size: [width, height] is needed, as {verifier} reads answers with format {name}")
    return 1, 1
