"""What `pe train` can be told. Names are those of transformers' and TRL's arguments wherever they have one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator

Part = Literal["vision", "connector", "language"]
Rate = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]

# What may differ between a run and the same run gone on with: where it runs and what it prints.
NOT_RESULTS = {"out", "device"}


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Lora(_Strict):
    """Low-rank adapters (peft) on `target_modules` of the language model, or of every part that is not frozen.

    New coordinate tokens are trained beside them: their embeddings, and with those the output layer.
    """

    r: int = Field(16, ge=1)
    lora_alpha: int = Field(32, ge=1)
    lora_dropout: float = Field(0.0, ge=0, lt=1)
    target_modules: list[str] = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"]


class Curriculum(_Strict):
    """Orders rows by the scores of `scores`, a file of JSON lines {"key", "pass_rate"} such as `pe mine` writes.

    `field` is the number to order by; "easy" starts with the highest. Rows outside `least` .. `most` are left out, and
    so are rows without a score. Within `buckets` equal parts of the order rows are shuffled anew in every epoch.
    """

    scores: Path
    field: str = "pass_rate"
    first: Literal["easy", "hard"] = "easy"
    least: float | None = None
    most: float | None = None
    buckets: int = Field(10, ge=1)


class WatchSettings(_Strict):
    """When a run that goes wrong is stopped; docs/train.md says what each does. 0 turns a limit off.

    `window` are the logged steps that a mean is taken over. `reward_drop` is the share of its best mean that the reward
    may lose, `mcc_drop` what the presence MCC may lose of its best.
    """

    window: int = Field(20, ge=1)
    reward_drop: Share = 0.5
    mcc_drop: float = Field(0.3, ge=0, le=2)


class Stage(_Strict):
    """What every stage has. `data` are output folders of `pe`, shards (.tar) or globs of them, of the stage's kind.

    `max_steps` -1: `num_train_epochs` passes over the data. A batch is per_device_train_batch_size x
    gradient_accumulation_steps x processes. `learning_rates` overrides the rate of a part of the model; what is in
    `freeze` is not trained. `gradient_checkpointing` is on by default on a GPU. `optim` "muon" gives 2-D weights of
    hidden layers to Muon, with the same rate, and the rest to AdamW.
    """

    name: str = Field("", pattern=r"^[A-Za-z0-9_-]*$")
    data: list[str] = []
    max_steps: int = -1
    num_train_epochs: float = Field(1.0, gt=0)
    per_device_train_batch_size: int = Field(8, ge=1)
    gradient_accumulation_steps: int = Field(1, ge=1)
    shuffle: bool = True
    curriculum: Curriculum | None = None

    learning_rate: Rate = 2e-5
    learning_rates: dict[Part, Rate] = {}
    freeze: list[Part] = []
    lora: Lora | None = None
    optim: Literal["adamw", "muon"] = "adamw"
    weight_decay: float = Field(0.0, ge=0)
    adam_beta1: float = Field(0.9, ge=0, lt=1)
    adam_beta2: float = Field(0.999, ge=0, lt=1)
    adam_epsilon: float = Field(1e-8, gt=0)
    max_grad_norm: float = Field(1.0, ge=0)
    lr_scheduler_type: str = "linear"
    lr_scheduler_kwargs: dict[str, Any] = {}
    warmup_ratio: float = Field(0.0, ge=0, lt=1)
    gradient_checkpointing: bool | None = None

    logging_steps: int = Field(1, ge=1)
    save_steps: int = Field(100, ge=1)
    save_total_limit: int = Field(2, ge=2)  # the newest may have been cut by a kill

    @model_validator(mode="after")
    def _saved_when_logged(self) -> Self:
        # What is summed up since the last logged step is in no checkpoint.
        if self.save_steps % self.logging_steps:
            raise ValueError(f"save_steps {self.save_steps} is no multiple of logging_steps {self.logging_steps}")
        if self.max_steps < 1 and self.max_steps != -1:
            raise ValueError(f"max_steps is 1 or more, or -1 for num_train_epochs, not {self.max_steps}")
        return self


class SftStage(Stage):
    """Supervised: the loss of the answer's tokens."""

    kind: Literal["sft"] = "sft"
    loss_type: Literal["nll", "dft"] = "nll"


class GrpoStage(Stage):
    """Policy optimisation by the rows' own verifiers; the fields are those of TRL's GRPOConfig.

    A step takes per_device_train_batch_size x gradient_accumulation_steps x processes completions, `num_generations` of
    each prompt. GSPO is `importance_sampling_level: sequence` with `loss_type: grpo`. `temperatures` and `generations`
    replace `temperature` and `num_generations` from a progress (0 .. 1) on: {0.5: 0.8}. `wordings` names a pool whose
    thinking prompts are put around the questions of rows, for the `ability` "detection" under the topic "detect" and
    so on. `rollouts` responses of every `rollout_steps`-th step are kept with their pictures.
    """

    kind: Literal["grpo"] = "grpo"
    learning_rate: Rate = 1e-6
    num_generations: int = Field(8, ge=2)
    generations: dict[Share, int] = {}
    max_completion_length: int = Field(1024, ge=1)
    temperature: float = Field(1.0, gt=0)
    temperatures: dict[Share, float] = {}
    top_p: float = Field(1.0, gt=0, le=1)
    top_k: int = Field(0, ge=0)
    min_p: float | None = Field(None, ge=0, le=1)
    repetition_penalty: float = Field(1.0, gt=0)
    wordings: str = ""

    loss_type: Literal["grpo", "dapo", "dr_grpo", "bnpo", "cispo", "sapo", "luspo", "vespo"] = "dapo"
    importance_sampling_level: Literal["token", "sequence"] = "token"
    scale_rewards: Literal["group", "batch", "none"] = "group"
    num_iterations: int = Field(1, ge=1)
    epsilon: float = Field(0.2, ge=0)
    epsilon_high: float | None = Field(None, ge=0)
    delta: float | None = Field(None, gt=0)
    beta: float = Field(0.0, ge=0)
    use_bias_correction_kl: bool = False
    top_entropy_quantile: Share = 1.0
    entropy_coef: float = 0.0
    mask_truncated_completions: bool = False

    use_vllm: bool = False
    vllm_mode: Literal["colocate", "server"] = "colocate"
    vllm_server_base_url: str | None = None
    vllm_gpu_memory_utilization: float = Field(0.3, gt=0, le=1)
    vllm_tensor_parallel_size: int = Field(1, ge=1)

    max_missing: Share = 0.05
    rollouts: int = Field(4, ge=0)
    rollout_steps: int = Field(10, ge=1)
    watch: WatchSettings = WatchSettings.model_validate({})

    @model_validator(mode="after")
    def _groups(self) -> GrpoStage:
        # Processes multiply what is left over: two of them make 4 completions each a whole group of 8.
        step = self.per_device_train_batch_size * self.gradient_accumulation_steps
        for count in (self.num_generations, *self.generations.values()):
            if count < 2:
                raise ValueError(f"a group has at least 2 generations, not {count}")
            if step % count and count % step:
                raise ValueError(
                    f"{count} generations of a prompt do not divide the {step} completions of a step "
                    "(per_device_train_batch_size x gradient_accumulation_steps)"
                )
        if self.save_steps % self.num_iterations:
            raise ValueError(f"save_steps {self.save_steps} is no multiple of num_iterations {self.num_iterations}")
        if any(value <= 0 for value in self.temperatures.values()):
            raise ValueError("temperatures are above 0")
        if self.loss_type == "luspo" and self.importance_sampling_level != "sequence":
            raise ValueError("loss_type luspo needs importance_sampling_level: sequence")
        return self


class TrainSettings(_Strict):
    """The settings of `pe train`, section `train` of a YAML file.

    `model` is a folder, a hub id or a short name of a model that ships with `pe`. `format` is the answer format whose
    coordinate tokens the tokenizer gets ("" leaves it as it is). `dtype` is what is computed in, "auto" bfloat16 on a
    GPU that has it and float32 elsewhere; trained weights are kept in float32. `min_pixels` and `max_pixels` are what
    the image processor resizes to, where it has such a rule. `report_to` are trackers of transformers beside the run
    folder's own JSON lines and TensorBoard files.
    """

    model: str
    out: Path
    stages: list[Annotated[SftStage | GrpoStage, Field(discriminator="kind")]] = Field(min_length=1)
    format: str = ""
    seed: int = Field(0, ge=0)
    device: str = Field("auto", pattern=r"^(auto|cpu|cuda(:\d+)?)$")
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = "auto"
    min_pixels: int | None = Field(None, ge=1)
    max_pixels: int | None = Field(None, ge=1)
    report_to: list[str] = []

    @model_validator(mode="after")
    def _names(self) -> TrainSettings:
        names = self.stage_names
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise ValueError(f"two stages are called {', '.join(twice)}: give each a name of its own")
        return self

    @property
    def stage_names(self) -> list[str]:
        """The stages' names, which are their folders': their own, else their kind."""
        return [stage.name or stage.kind for stage in self.stages]

    def results_config(self) -> dict[str, Any]:
        """What changes a result, as JSON values."""
        return self.model_dump(mode="json", exclude=NOT_RESULTS)


def device_index(device: str) -> int | None:
    """N of "cuda:N", else None."""
    found = re.fullmatch(r"cuda:(\d+)", device)
    return int(found[1]) if found else None
