"""TRL's trainers on the rows of shards: own loading, own optimizer, figures of the monitors, whole checkpoints."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from accelerate.utils import gather_object  # type: ignore[import-untyped]
from datasets import Dataset  # type: ignore[import-untyped]
from trl import GRPOTrainer, SFTTrainer

from pe.evaluation.images_once import encode_each_once
from pe.evaluation.monitors import Monitor
from pe.training.checkpoints import seal, state_of
from pe.training.loading import Examples, loader_of
from pe.training.optimizers import optimizer_of
from pe.training.order import Batches, Order, at_progress, generations_at
from pe.training.settings import GrpoStage, SftStage


@dataclass(frozen=True)
class Work:
    """What a stage is about, for its trainer: `start` is the step it goes on from, `steps` all of them."""

    stage: SftStage | GrpoStage
    examples: Examples
    order: Order
    steps: int
    checkpoint: Path | None = None
    start: int = 0


class _OnRows:
    """Makes a trainer of TRL go through `work`, log a monitor's figures and seal its checkpoints."""

    work: Work
    monitor: Monitor | None = None
    batches: Batches

    def get_train_dataloader(self: Any) -> Any:
        """Not accelerate's own: this one knows which rows are its process's, and loads no others."""
        calls = self.work.start * self.work.stage.gradient_accumulation_steps
        return loader_of(self.work.examples, self.batches, calls, self.data_collator)

    def create_optimizer(self: Any, model: Any = None) -> Any:
        """See `pe.training.optimizers`."""
        if self.optimizer is None:
            model = self.model if model is None else model
            decayed = set(self.get_decay_parameter_names(model))
            undecayed = [name for name, _ in model.named_parameters() if name not in decayed]
            self.optimizer = optimizer_of(model, self.work.stage, undecayed)
        return self.optimizer

    def log(self: Any, logs: dict[str, float], start_time: float | None = None) -> None:
        """Add the monitor's figures of every data source since the last time, over all processes."""
        if self.monitor is not None:
            every = Monitor()
            for state in gather_object([self.monitor.state()]):
                every.merge(state)
            self.monitor.clear()
            # Of fifteen words that are counted most are never said.
            logs.update({name: value for name, value in every.flat().items() if value or not name.startswith("word_")})
        super().log(logs, start_time)  # type: ignore[misc]

    def create_model_card(self, *args: Any, **kwargs: Any) -> None:
        """None: a checkpoint is no publication."""

    def _save_checkpoint(self: Any, model: Any, trial: Any) -> None:
        super()._save_checkpoint(model, trial)  # type: ignore[misc]
        self.accelerator.wait_for_everyone()
        if self.args.should_save:
            seal(
                Path(self.args.output_dir) / f"checkpoint-{self.state.global_step}",
                {"tokens": self._total_train_tokens},
            )
        self.accelerator.wait_for_everyone()

    def set_work(self: Any, work: Work) -> None:
        """Before `train`."""
        self.work = work
        accelerator = self.accelerator
        self.batches = Batches(work.order, work.stage, work.steps, accelerator.process_index, accelerator.num_processes)
        if work.checkpoint is not None:
            self._total_train_tokens = state_of(work.checkpoint)["tokens"]


class Sft(_OnRows, SFTTrainer):  # type: ignore[misc]
    """SFTTrainer on rows. The loss is the mean over the tokens of a step, whatever its calls and processes."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Several families (Qwen's) say no, of a loss of their own that TRL does not use: each call's or process's mean
        # would count the same, however few tokens it has.
        self.model_accepts_loss_kwargs = True


class Grpo(_OnRows, GRPOTrainer):  # type: ignore[misc]
    """GRPOTrainer on rows, with schedules of the temperature and of the group's size."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        models = [self.model]
        if self.ref_model is not None:
            encode_each_once(self.ref_model)
            models.append(self.ref_model)
        self._head_temperatures = [_temperature_of(self.accelerator.unwrap_model(model)) for model in models]

    def _generate_and_score_completions(self, inputs: Any) -> Any:
        stage = self.work.stage
        assert isinstance(stage, GrpoStage)
        progress = self.state.global_step / self.work.steps
        self.num_generations = generations_at(stage, progress)
        temperature = at_progress(stage.temperatures, stage.temperature, progress)
        if temperature != self.temperature:
            self._set_temperature(temperature)
        return super()._generate_and_score_completions(inputs)

    def _set_temperature(self, temperature: float) -> None:
        self.temperature = temperature
        for head in self._head_temperatures:
            head.cell_contents = temperature
        if self.use_vllm:
            self.vllm_generation.temperature = temperature
        else:
            self.generation_config.temperature = temperature
            self.generation_kwargs["temperature"] = temperature


def _temperature_of(model: Any) -> Any:
    """The cell that holds the temperature which the log-probabilities of `model` are computed with.

    TRL keeps it in its output layer's closure alone, and a second layer around the first would not replace it.
    """
    base = model.get_base_model() if hasattr(model, "get_base_model") else model
    forward = getattr(base, "_original_forward", base.forward).__func__  # accelerate wraps it for mixed precision
    return forward.__closure__[forward.__code__.co_freevars.index("temperature")]


def shape_of(example: dict[str, Any]) -> Dataset:
    """A data set of one row with the columns of `example`: all that TRL looks at in one whose batches it is given."""
    columns = {name: [value] for name, value in example.items() if name in ("prompt", "completion")}
    return Dataset.from_dict({**columns, "images": [[]]})
