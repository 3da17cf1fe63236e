"""docs/tasks.md: a row for each task, and examples as the code gives them (run this file to print them)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pe.engines.tasks._wordings import pool_names
from pe.registry import names
from pe.schemas.sample import Object, Sample, dumps
from tests.engines.tasks.conftest import ask, dogs_and_cat, make_form, make_sample

DOCS = Path(__file__).parents[3] / "docs" / "tasks.md"

PAGE = make_sample(
    [Object(id=0, phrase="title", bbox=(40, 30, 600, 80)), Object(id=1, phrase="table", bbox=(40, 200, 600, 440))]
)
SIGN = make_sample([Object(id=0, phrase="text", bbox=(64, 96, 256, 144), text="EXIT")])
SCREEN = make_sample([Object(id=0, phrase="Button", bbox=(20, 400, 120, 440), text="Send")])
SKELETON = {"hand": ("wrist", "thumb tip")}
HAND = make_sample([Object(id=0, phrase="hand", bbox=(64, 48, 320, 240), keypoints=[96, 216, 2, 0, 0, 0])])
ROW = make_sample(
    [],
    kind="sft",
    messages_json=dumps([{"role": "user", "content": "<image>What is the length of AB?"}]),
    gold_text="\\boxed{4}",
)

EXAMPLES: list[tuple[str, str, dict[str, Any], Sample, tuple[str, ...]]] = [
    ("detect", "rexomni", {"wordings": "rexomni"}, dogs_and_cat(), ("zebra",)),
    ("detect", "vlm-r1", {"wordings": "vlm-r1", "thinking": False}, dogs_and_cat(), ("zebra",)),
    ("layout", "qwen3-vl", {"wordings": "qwen", "categories": ["list"]}, PAGE, ()),
    ("refer", "perception-r1", {"wordings": "perception-r1", "targets": ["one"]}, dogs_and_cat(), ()),
    ("text-to-box", "simpleseg", {"wordings": "simpleseg"}, dogs_and_cat(), ()),
    ("text-to-mask", "simpleseg", {"wordings": "simpleseg", "source": "phrases"}, dogs_and_cat(), ()),
    ("box-to-mask", "simpleseg", {"wordings": "simpleseg"}, dogs_and_cat(), ()),
    ("point-to-mask", "simpleseg", {"wordings": "simpleseg"}, dogs_and_cat(), ()),
    ("box-to-caption", "text", {"wordings": "simpleseg"}, dogs_and_cat(), ()),
    ("mask-to-caption", "text", {"wordings": "simpleseg"}, dogs_and_cat(), ()),
    ("point", "molmo", {"wordings": "molmo", "phrases": "each"}, dogs_and_cat(), ()),
    ("spatial-pointing", "locateanything", {"wordings": "locateanything"}, dogs_and_cat(), ()),
    ("count", "boxed", {}, dogs_and_cat(), ()),
    ("count", "perception-r1", {"wordings": "perception-r1", "answer": "boxes"}, dogs_and_cat(), ()),
    ("visual-prompt", "rexomni", {"wordings": "rexomni"}, dogs_and_cat(), ()),
    ("read-text", "rexomni", {"wordings": "rexomni", "unit": "word"}, SIGN, ()),
    ("gui-box", "rexomni", {"wordings": "rexomni"}, SCREEN, ()),
    ("gui-point", "qwen2.5-vl", {"wordings": "qwen"}, SCREEN, ()),
    ("keypoints", "rexomni", {"wordings": "rexomni", "skeletons": SKELETON}, HAND, ()),
    ("caption", "text", {}, dogs_and_cat(), ()),
    ("qa", "boxed", {"verifier": "maths", "wordings": "v-triune-free"}, ROW, ()),
]


def example(number: int) -> str:
    """One example as the docs have it: the task, the question, and the answer in its wording."""
    task, form, chosen, sample, absent = EXAMPLES[number]
    found = ask(task, form, sample, absent, **chosen)[0]
    gold = make_form(form).encode(found.answer, (sample.width, sample.height))
    said = ", ".join(f"{key}: {_yaml(value)}" for key, value in chosen.items())
    head = f"{task} ({form}{f'; {said}' if said else ''}) -> {found.verifier or 'no verifier'}"
    return f"{head}\nQ: {found.question}\nA: {found.wording.replace('{answer}', gold)}"


def _yaml(value: Any) -> str:
    return dumps(value).replace('"', "") if not isinstance(value, str) else value


@pytest.mark.parametrize("number", range(len(EXAMPLES)))
def test_examples_are_what_the_code_gives(number: int) -> None:
    assert example(number) in DOCS.read_text(encoding="utf-8")


def test_every_task_and_every_pool_has_its_row_and_its_example() -> None:
    text = DOCS.read_text(encoding="utf-8")
    rows = [line.split("|")[1].strip(" `") for line in text.splitlines() if line.startswith("| `")]
    assert [name for name in names("tasks") if rows.count(name) != 1] == []
    assert [name for name in pool_names() if rows.count(name) != 1] == []
    assert {task for task, *_ in EXAMPLES} == set(names("tasks"))


if __name__ == "__main__":
    print("\n\n".join(map(example, range(len(EXAMPLES)))))
