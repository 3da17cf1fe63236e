"""docs/rewards.md says what an empty, a silent and an unreadable answer earn; every verifier of objects does so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pe.formats import Answer, Format, Item
from pe.registry import load, names
from pe.verifiers import Question, score

PAGE = Path(__file__).parents[2] / "docs" / "rewards.md"
HEAD = "| there are | the response | accuracy |"
OBJECT_VERIFIERS = [
    name for name in names("verifiers") if load("verifiers", name).shapes and not name.endswith("-compat")
]

SIZE = (1000, 1000)  # pixels and thousandths are the same
BOX = (100.0, 100.0, 400.0, 300.0)
RING = (100.0, 100.0, 400.0, 100.0, 400.0, 300.0, 100.0, 300.0)
NAMED = {"nose": (200.0, 200.0), "tail": (300.0, 250.0)}
ITEMS = {
    "bbox": Item("stop", bbox=BOX),
    "point": Item("stop", point=(250.0, 200.0)),
    "rings": Item("stop", rings=(RING,)),
    "keypoints": Item("stop", bbox=BOX, keypoints=NAMED),
}
MORE = {
    "bbox": Item("stop", bbox=(600.0, 100.0, 900.0, 300.0)),
    "point": Item("stop", point=(750.0, 200.0)),
    "rings": Item("stop", rings=((600.0, 100.0, 900.0, 100.0, 900.0, 300.0),)),
    "keypoints": Item("stop", bbox=(600.0, 100.0, 900.0, 300.0), keypoints={"nose": (700.0, 200.0)}),
}
CUT = ("truncated", "repaired")  # a format without an end of its own mends what it takes for a slip
FORMATS = {"bbox": "qwen3-vl", "point": "qwen3-vl", "rings": "simpleseg", "keypoints": "rexomni"}
TARGET = {"phrase": "stop", "bbox": BOX, "point": (250, 200), "rings": [RING], "keypoints": NAMED, "text": "stop"}
TRUTHS: dict[str, Any] = {"objects": {"objects": [TARGET]}, "no objects": {"objects": [], "negatives": ["stop"]}}


def rows() -> list[tuple[str, str, str]]:
    """The rows of the policy table."""
    after = PAGE.read_text().partition(f"{HEAD}\n|---|---|---|\n")[2]
    table = after.partition("\n\n")[0].splitlines()
    return [tuple(cell.strip() for cell in line.strip("|").split("|")) for line in table]  # type: ignore[misc]


def response(what: str, form: Format, item: Item) -> str:
    """A text that does what the table's second column says."""
    whole = form.encode(Answer((item,)), SIZE)
    match what:
        case "names them all" | "names one":
            return whole
        case "names them all and is cut short in one more":
            whole = form.encode(Answer((item, MORE[item.shape])), SIZE)
            cuts = (whole[:end] for end in range(len(whole) - 1, 0, -1))
            read = ((cut, form.decode(cut, SIZE, asked="stop")) for cut in cuts)
            return next(cut for cut, found in read if len(found.objects) == 1 and found.status in CUT)
        case "says that nothing is there":
            return form.encode(Answer((), ("stop",)), SIZE)
        case "talks of something else":
            return "The weather is fine today."
        case "cannot be read":
            return "@@ ##"
        case "is empty":
            return ""
    raise AssertionError(what)


def test_the_table_is_whole() -> None:
    assert len(rows()) == 11
    assert {there for there, _, _ in rows()} == set(TRUTHS)


@pytest.mark.parametrize("name", OBJECT_VERIFIERS)
@pytest.mark.parametrize("sniffed", [False, True], ids=["named", "sniffed"])
def test_every_verifier_does_what_the_table_says(name: str, sniffed: bool) -> None:
    kind = load("verifiers", name)
    own = kind.Parameters.model_fields["format"].default
    shape = kind.shapes[0]
    written = FORMATS[shape] if own == "auto" else own
    form = load("formats", written)()
    params = json.dumps({"format": "auto" if sniffed and own == "auto" else written})
    for there, what, expected in rows():
        question = Question(name, json.dumps(TRUTHS[there]), SIZE, params)
        text = response(what, form, ITEMS[shape])
        found = score(question, [text])[0]
        value = found.components["accuracy"]
        assert value is not None, found.reason
        case = f"{name}, {params}: {there}, {what}: {text!r} earned {value}"
        match expected:
            case "1":
                assert value == 1.0, case
            case "1, as far as the format can write it":
                assert value == pytest.approx(1.0, abs=0.02), case
            case "0":
                assert value == 0.0, case
            case "0 or less":
                assert value <= 0.0, case
            case _:
                raise AssertionError(expected)
