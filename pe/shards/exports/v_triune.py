"""V-Triune (Orsta): its own reward_model struct, boxes in thousandths, one file a task and source.

https://github.com/MiniMax-AI/One-RL-to-See-Them-All, arXiv 2505.18129.
"""

from __future__ import annotations

import json
import re
from typing import Any

import pyarrow as pa

from pe.formats._grid import Grid
from pe.schemas.sample import Sample
from pe.shards.exports._base import Export, LeftOut, Table
from pe.shards.exports._files import image_name
from pe.shards.exports._parquet import IMAGE, ParquetFiles, image_cell, parquet_table, schema_of
from pe.shards.exports._rows import MESSAGES, messages

__all__ = ["VTriune"]

# Its verifier brings predictions to int(x / side * 1000); the truth is brought there in the same way.
_THOUSAND = Grid(1000, "floor")
_RATIOS = ("iou_max_label_first", "iou_max_iou_first", "iou_completeness", "map", "map50", "map75")
_DETECTION = dict(zip(_RATIOS, (1.0, 0.0, 0.3, 0.0, 0.0, 0.0), strict=True))

_SCHEMA = schema_of(
    [
        ("data_source", pa.string()),
        ("images", pa.list_(IMAGE)),
        ("prompt", MESSAGES),
        ("ability", pa.string()),
        (
            "reward_model",
            pa.struct(
                [
                    ("answer", pa.string()),
                    ("ground_truth", pa.string()),
                    ("accuracy_ratio", pa.float32()),
                    ("format_ratio", pa.float32()),
                    ("verifier", pa.string()),
                    (
                        "verifier_parm",
                        pa.struct(
                            [
                                ("det_verifier_normalized", pa.bool_()),
                                ("det_reward_ratio", pa.struct([(name, pa.float32()) for name in _RATIOS])),
                            ]
                        ),
                    ),
                ]
            ),
        ),
        ("extra_info", pa.struct([("id", pa.string()), ("image_path", pa.string())])),
    ]
)


class VTriune(Export):
    """{split}_{task}_{source}_{rows}.parquet; `extra_info` has the sample's key.

    A truth of boxes goes to its `detection` verifier, with the row's own `det_reward_ratio` or that of its published
    rows, one of text to `mathverify`. What neither can judge is left out.
    """

    kinds = frozenset({"rl"})
    hub = "*.parquet"

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._parts: dict[str, ParquetFiles] = {}

    def add(self, sample: Sample, image: bytes) -> None:
        prompt = messages(sample)
        answer, truth, verifier = _answer(sample)
        weights = json.loads(sample.reward_model.weights_json) or {"accuracy": 1.0}
        if weights.keys() - {"accuracy", "format"}:
            self.lost["weights of components other than accuracy and format"] += 1
        normalised = True if verifier == "detection" else None
        given = json.loads(sample.verifier.params_json).get("det_reward_ratio") or _DETECTION
        ratios = {name: float(given.get(name) or 0.0) if normalised else None for name in _RATIOS}
        name = f"{self.split}_{_word(sample.ability)}_{_word(sample.data_source)}"
        if name not in self._parts:
            self._parts[name] = ParquetFiles(
                self.out, name, _SCHEMA, group_bytes=4 * 2**20, file_bytes=float("inf")
            )  # one open row group for each task and source
        row = {
            "data_source": sample.data_source,
            "images": [image_cell(image, image_name(sample))],
            "prompt": prompt,
            "ability": sample.ability,
            "reward_model": {
                "answer": answer,
                "ground_truth": truth,
                "accuracy_ratio": float(weights.get("accuracy", 1.0)),
                "format_ratio": float(weights.get("format", 0.0)),
                "verifier": verifier,
                "verifier_parm": {"det_verifier_normalized": normalised, "det_reward_ratio": ratios},
            },
            "extra_info": {"id": sample.key, "image_path": image_name(sample)},
        }
        self._parts[name].add(row, len(image) + len(sample.messages_json))

    def close(self) -> None:
        for name, files in self._parts.items():
            files.close()
            (self.out / f"{name}-00000.parquet").rename(self.out / f"{name}_{files.rows}.parquet")

    def tables(self) -> list[Table]:
        return [parquet_table("*.parquet", _SCHEMA)] if self._parts else []


def _answer(sample: Sample) -> tuple[str, str, str]:
    """(answer, ground_truth, verifier) of a row. Raises LeftOut."""
    text = sample.reward_model.ground_truth
    try:
        truth = json.loads(text)
    except ValueError:
        truth = {"text": text}
    truth = {"objects": truth} if isinstance(truth, list) else truth
    truth = truth if isinstance(truth, dict) else {"text": text}
    objects = truth.get("objects") or []
    if objects and all(len(item.get("bbox") or ()) == 4 for item in objects):
        sides = (sample.width, sample.height) * 2
        rows = [
            {
                "bbox_2d": [_THOUSAND.write(value, side) for value, side in zip(item["bbox"], sides, strict=True)],
                "label": item.get("phrase", ""),
            }
            for item in objects
        ]
        return repr(rows), f"<answer>\n{rows!r}\n</answer>", "detection"
    if objects:
        raise LeftOut("rows whose truth has no boxes: its verifiers judge boxes and text")
    answer = truth.get("text") or truth.get("written") or ("" if truth.get("count") is None else str(truth["count"]))
    if not answer:
        raise LeftOut("rows whose right answer is that nothing is there: its verifier gives 0 for it")
    return answer, answer if "\\boxed" in answer else f"\\boxed{{{answer}}}", "mathverify"


def _word(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9-]+", "-", text).strip("-") or "rows"
