"""Training rows whose gold text, answer and ceiling belong together, as `pe build-sft` and `pe build-rl` write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pe.formats import Answer, Format, Item
from pe.registry import load
from pe.schemas.sample import RewardModel, Sample, Verifier, dumps
from pe.shards.output import Output
from pe.training.rows import Rows
from pe.verifiers import Question, score
from tests.shards.exports import rows

SIZE = rows.SIZE  # 40 x 30


def row(number: int, kind: str, form: str = "rexomni", **changes: Any) -> tuple[Sample, bytes]:
    """A row that asks for a cat, which is there, and a unicorn, which is not."""
    box = (4.0 + number % 7, 3.0, 30.0, 20.0)
    encoder: Format = load("formats", form)()
    seen = encoder.input_size(SIZE)
    gold = encoder.encode(Answer((Item("cat", bbox=box),), absent=("unicorn",)), SIZE, seen)
    truth = {"objects": [{"phrase": "cat", "bbox": box}], "negatives": ["unicorn"]}
    messages = [{"role": "user", "content": "<image>Detect cat, unicorn."}]
    if kind == "sft":
        messages.append({"role": "assistant", "content": gold})
    sample, picture = rows.row(
        number,
        kind,
        messages_json=dumps(messages),
        gold_text=gold,
        input_width=seen[0],
        input_height=seen[1],
        ceilings_json="[]",
        reward_model=RewardModel(ground_truth=dumps(truth)),
        verifier=Verifier(name="detection", params_json=dumps({"format": form})),
    )
    if kind == "rl":
        built = score(Question.of(sample), [gold])[0].score
        assert built is not None
        sample = sample.model_copy(update={"ceilings_json": dumps([[1.0, round(built, 6)]])})
    return Sample.model_validate(sample.model_dump() | changes), picture


def write(root: Path, samples: list[tuple[Sample, bytes]]) -> Rows:
    """The rows of `samples`, in shards of four."""
    rows.write(root, samples)
    return Rows(Output(root).shards(), samples[0][0].kind)
