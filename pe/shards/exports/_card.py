"""The dataset card: README.md with the metadata block that the Hugging Face Hub reads.

https://huggingface.co/docs/hub/datasets-cards
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

import yaml

from pe import __version__
from pe.shards.exports._base import Export
from pe.shards.exports._facts import Facts

# Identifiers of https://huggingface.co/docs/hub/repositories-licenses; any other licence is "other".
_LICENCES = frozenset(
    (
        *("apache-2.0", "mit", "bsd-3-clause", "cc0-1.0", "cc-by-2.0", "cc-by-3.0", "cc-by-4.0", "cc-by-sa-3.0"),
        *("cc-by-sa-4.0", "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nd-4.0", "cc-by-nc-nd-4.0"),
        *("cc-by-nc-sa-2.0", "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "odc-by", "pddl", "cdla-permissive-2.0"),
    )
)
_SIZES = ((1e3, "n<1K"), (1e4, "1K<n<10K"), (1e5, "10K<n<100K"), (1e6, "100K<n<1M"), (1e7, "1M<n<10M"))

_GEOMETRY = """\
Coordinates in `objects_json` and in ground truths are absolute pixels of the stored image, floats, origin top left,
edge coordinates: a box covers [x0, x1) x [y0, y1). Masks are COCO run lengths. Where a tool's own layout says otherwise
(x, y, width, height; fractions; thousandths), its files follow that tool."""


def card(name: str, layout: str, export: Export, facts: Facts, left_out: Counter[str]) -> str:
    """The text of README.md."""
    head = yaml.safe_dump(_metadata(name, export, facts), sort_keys=False, allow_unicode=True)
    kind = {"annotated": "annotated pictures", "sft": "training rows (SFT)", "rl": "training rows (RL)"}[facts.kind]
    parts = [
        f"---\n{head}---\n",
        f"# {name}\n",
        f"{facts.samples} {kind}, split `{export.split}`, in the layout of `{layout}`, exported by pe {__version__}.\n",
        _GEOMETRY + "\n",
        "## Sources\n",
        _table(("data source", "samples"), facts.sources.most_common()),
        "## Licences of the pictures\n",
        _table(("licence", "samples"), facts.licences.most_common()),
    ]
    if facts.models:
        rows = [(*entry, count) for entry, count in sorted(facts.models.items())]
        parts += [
            "## Who made the labels\n",
            _table(("stage", "adapter", "model", "revision", "licence", "samples"), rows),
        ]
    missing = [*((what, count) for what, count in left_out.items()), *_lost(export)]
    if missing:
        parts += ["## What this layout does not hold\n", _table(("what", "how many"), missing)]
    return "\n".join(parts)


def licence_id(facts: Facts) -> str:
    """The Hub's identifier of the pictures' licence: "unknown" where none is stated, "other" for several."""
    if len(facts.licences) != 1:
        return "other"
    word = next(iter(facts.licences))
    known = word.lower().replace(" ", "-")
    return "unknown" if word == "not stated" else known if known in _LICENCES else "other"


def _metadata(name: str, export: Export, facts: Facts) -> dict[str, Any]:
    if facts.kind == "annotated":
        tasks = ["object-detection"]
        tasks += ["image-segmentation"] if facts.masks else []
        tasks += ["image-to-text"] if facts.captions else []
    else:
        tasks = ["visual-question-answering"]
    metadata: dict[str, Any] = {
        "pretty_name": name,
        "license": licence_id(facts),
        "task_categories": tasks,
        "size_categories": [next((word for most, word in _SIZES if facts.samples < most), "10M<n<100M")],
        "tags": ["perception", facts.kind],
    }
    if export.hub:
        files = [{"split": export.split, "path": export.hub}]
        metadata["configs"] = [{"config_name": "default", "data_files": files}]
    return metadata


def _lost(export: Export) -> list[tuple[str, int]]:
    return [(what, count) for what, count in export.lost.items() if count]


def _table(head: tuple[str, ...], rows: Iterable[tuple[Any, ...]]) -> str:
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(_cell(value) for value in row) + " |" for row in rows]
    return "\n".join(lines) + "\n"


def _cell(value: Any) -> str:
    # Names and licences come from records: nothing in them may become markup.
    text = " ".join(str(value).split())
    for char in "\\`*_[]<>|":
        text = text.replace(char, f"&#{ord(char)};")
    return text
