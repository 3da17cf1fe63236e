"""The reward of GRPO by the rows' own verifiers, and a sample of what was answered, with its score, for a page."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

from transformers import TrainerCallback

from pe.evaluation.monitors import Monitor
from pe.evaluation.vlm import answer_text
from pe.shards.output import disk_errors
from pe.training.logs import cut_lines
from pe.training.rows import Rows
from pe.training.settings import GrpoStage
from pe.verifiers import Question, Score
from pe.verifiers.use.trl import VerifierReward


class RolloutReward:
    """`VerifierReward`, its monitor, and the rollouts that it keeps until their advantages are known."""

    __name__ = "verifier"

    def __init__(self, stage: GrpoStage, monitor: Monitor, tokenizer: Any, ends: Collection[int]) -> None:
        self._stage = stage
        self._tokenizer = tokenizer
        self._ends = ends
        self._monitor = monitor
        self._reward = VerifierReward(stage.max_missing, observe=self._observe)
        self._scores: list[Score] = []
        self.kept: list[tuple[int, dict[str, Any], int]] = []

    def __call__(
        self, prompts: Sequence[Any], completions: Sequence[Any], trainer_state: Any = None, **columns: Any
    ) -> list[float | None]:
        """The scores, as TRL asks for them; of its `completions` only the tokens count: it drops special ones."""
        self._scores = []
        texts = [answer_text(self._tokenizer, ids, self._ends) for ids in columns["completion_ids"]]
        found = self._reward(prompts, texts, trainer_state=trainer_state, **columns)
        step = trainer_state.global_step
        self.kept = []
        if self._stage.rollouts and step % self._stage.rollout_steps == 0:
            for index in _spread(len(texts), self._stage.rollouts):
                line = {
                    "step": step + 1,
                    "key": columns["key"][index],
                    "data_source": columns["data_source"][index],
                    "prompt": _question(prompts[index]),
                    "response": texts[index],
                    "score": self._scores[index].score,
                    "components": dict(self._scores[index].components),
                    "state": self._scores[index].state,
                    "tokens": len(columns["completion_ids"][index]),
                }
                if self._scores[index].reason:
                    line["reason"] = self._scores[index].reason
                self.kept.append((index, line, columns["row"][index]))
        return found

    def _observe(
        self,
        question: Question,
        data_source: str,
        responses: Sequence[str],
        scores: Sequence[Score],
        tokens: Sequence[int] | None = None,
    ) -> None:
        self._scores += scores
        self._monitor.add(question, data_source, responses, scores, tokens)


class KeepRollouts(TrainerCallback):  # type: ignore[misc]  # transformers has no types
    """Appends the kept rollouts of `reward` to rollouts.jsonl, and their samples to pictures/ as KEY.jpg, KEY.json."""

    def __init__(self, folder: Path, reward: RolloutReward, trainer: Any, rows: Rows) -> None:
        self._path = folder / "rollouts.jsonl"
        self._pictures = folder / "pictures"
        self._reward = reward
        self._trainer = trainer
        self._rows = rows

    def on_train_begin(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Start at the step that the run goes on from."""
        if state.is_world_process_zero:
            cut_lines(self._path, state.global_step)

    def on_step_end(self, args: Any, state: Any, control: Any, **_: Any) -> None:
        """Write what was kept in this step."""
        kept, self._reward.kept = self._reward.kept, []
        if not kept or not state.is_world_process_zero:
            return
        advantages = list(self._trainer._logs["advantages"])  # of this process's first, as it is the first
        with disk_errors(self._path):
            self._pictures.mkdir(parents=True, exist_ok=True)
            with self._path.open("a", encoding="utf-8") as stream:
                for index, line, number in kept:
                    line["key"] = self._save(number)
                    line["advantage"] = round(float(advantages[index]), 6)
                    stream.write(json.dumps(line, ensure_ascii=False) + "\n")

    def _save(self, number: int) -> str:
        """The key under which the sample of row `number` is in pictures/: outputs may have samples of one key."""
        sample, picture = self._rows.read(number)
        record = sample.to_json()
        for key in (sample.key, f"{sample.key}-{number}"):
            path = self._pictures / f"{key}.json"
            if not path.exists():
                path.with_suffix(".jpg").write_bytes(picture)
                path.write_bytes(record)
            if path.read_bytes() == record:
                return key
        return sample.key


def _spread(count: int, wanted: int) -> list[int]:
    """At most `wanted` places of `count`, spread evenly, so that they are of different prompts."""
    wanted = min(count, wanted)
    return [place * count // wanted for place in range(wanted)]


def _question(prompt: Any) -> str:
    texts = [part.get("text", "") for part in prompt[-1]["content"] if part["type"] == "text"]
    return "".join(texts)
