"""What a run would take, told before it takes it; no weights are read."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from pe.annotators._pretrained import reading
from pe.annotators.checkpoints import resolve
from pe.errors import ModelError
from pe.evaluation.vlm import seen_size
from pe.training.arguments import default_dtype, uses_gpu
from pe.training.checks.batch import read_batch
from pe.training.checks.estimate import GPUS, SHARDINGS, Memory, Sizes, memory_of, sizes_of
from pe.training.checks.start import StartReport, check_start, picture_ids
from pe.training.conversations import example_of
from pe.training.model import Start, set_pixels
from pe.training.order import order_of, rows_per_step, steps_of
from pe.training.parts import freeze
from pe.training.rows import Rows, find_shards
from pe.training.settings import GrpoStage, SftStage, TrainSettings
from pe.training.vocabulary import add_coordinates

COUNTED = 32
"""Rows over the whole set whose tokens are counted."""


@dataclass(frozen=True)
class StagePlan:
    """What one stage would take: see `lines`. `free` are the bytes that are there on the device."""

    name: str
    kind: str
    rows: int
    steps: int
    passes: float
    tokens_mean: float
    tokens_max: int
    sizes: Sizes
    memory: Memory
    free: int
    device: str
    report: StartReport

    @property
    def tokens(self) -> int:
        """Tokens of all rows that are gone through (of GRPO without what is generated)."""
        return round(self.tokens_mean * self.passes * self.rows)

    def lines(self) -> Iterator[str]:
        """The plan for people."""
        trained = self.sizes.trained + self.sizes.adapters
        part = "prompt" if self.kind == "grpo" else "row"
        yield f"{self.name}: {self.steps:,} steps, {self.passes:.2f} passes over {self.rows:,} rows"
        yield (
            f"  tokens a {part}: {self.tokens_mean:,.0f} on average, {self.tokens_max:,} at most ({COUNTED} rows "
            f"counted); about {self.tokens:,} in all"
        )
        yield f"  parameters: {self.sizes.total:,}, trained {trained:,}"
        parts = ", ".join(f"{name} {_size(size)}" for name, size in vars(self.memory).items() if size)
        yield f"  memory, about: {parts}; free on {self.device}: {_size(self.free)}"
        yield f"  {'each of ... GPUs takes':<28}" + "".join(f"{gpus:>11}" for gpus in GPUS)
        for sharding in SHARDINGS:
            row = "".join(f"{_size(self.memory.on(gpus, sharding)):>11}" for gpus in GPUS)
            yield f"  {sharding:<28}{row}"
        if self.memory.on(1, "DDP") > self.free:
            yield f"  does not fit on {self.device} as it is: see the table, or lora, or a smaller batch"
        checked = f"{self.report.ceilings:,} ceilings computed again, " if self.kind == "grpo" else ""
        yield f"  {self.report.sampled:,} rows checked, {checked}first batch drawn: {self.report.page}"
        for note in self.report.notes:
            yield f"  note: {note}"

    def table(self) -> dict[str, Any]:
        """The plan as JSON values; sizes in bytes."""
        memory = {name: {str(gpus): self.memory.on(gpus, name) for gpus in GPUS} for name in SHARDINGS}
        return {
            **{"stage": self.name, "kind": self.kind, "rows": self.rows, "steps": self.steps, "passes": self.passes},
            **{"tokens_mean": self.tokens_mean, "tokens_max": self.tokens_max, "tokens": self.tokens},
            **{"parameters": asdict(self.sizes), "bytes": asdict(self.memory), "bytes_by_gpus": memory},
            **{"free": self.free, "device": self.device, "sampled": self.report.sampled},
            **{"ceilings": self.report.ceilings, "first_batch": str(self.report.page), "notes": self.report.notes},
        }


def dry_run(settings: TrainSettings, stages: Sequence[SftStage | GrpoStage], processes: int = 1) -> list[StagePlan]:
    """The plans of `stages` on `processes` processes; the first batches are drawn beside the run's folder, OUT-dry-run.

    Every stage is taken to start from the run's model, whose shape the stages before it do not change. Raises what
    `check_start` raises.
    """
    beside = settings.model_copy(update={"out": settings.out.with_name(f"{settings.out.name}-dry-run")})
    return [_plan(beside, stage, processes) for stage in stages]


def _plan(settings: TrainSettings, stage: SftStage | GrpoStage, processes: int) -> StagePlan:
    rows = Rows(find_shards(stage.data), "rl" if isinstance(stage, GrpoStage) else "sft")
    order = order_of(rows.keys(), stage, settings.seed)
    steps = steps_of(stage, order.count, processes)
    start = _outline(settings, stage)
    report = check_start(settings, stage, start, rows)
    counts, patches = _count(settings, stage, start, rows)
    sizes = sizes_of(start.model, stage, bool(start.new_tokens))
    gpu = uses_gpu(settings.device)
    dtype = default_dtype(settings.device) if settings.dtype == "auto" else settings.dtype
    checkpointing = gpu if stage.gradient_checkpointing is None else stage.gradient_checkpointing
    memory = memory_of(
        start.model, stage, sizes, dtype=dtype, tokens=max(counts), patches=patches, checkpointing=checkpointing
    )
    group = stage.num_generations if isinstance(stage, GrpoStage) else 1
    free, device = _free(gpu)
    return StagePlan(
        name=stage.name or stage.kind,
        kind=stage.kind,
        rows=order.count,
        steps=steps,
        passes=steps * rows_per_step(stage, processes) / group / order.count,
        tokens_mean=sum(counts) / len(counts),
        tokens_max=max(counts),
        sizes=sizes,
        memory=memory,
        free=free,
        device=device,
        report=report,
    )


def _outline(settings: TrainSettings, stage: SftStage | GrpoStage) -> Start:
    """The run's model without its weights, and its processor with the coordinates of the run's format."""
    import torch
    import transformers

    checkpoint = resolve("transformers", settings.model)
    if not checkpoint.path.is_dir():
        raise ModelError(f"{checkpoint.path}: not a folder with config.json, weights and a processor")
    with reading(checkpoint.info.model):
        processor = transformers.AutoProcessor.from_pretrained(checkpoint.path, local_files_only=True)
        config = transformers.AutoConfig.from_pretrained(checkpoint.path, local_files_only=True)
        with torch.device("meta"):
            model = transformers.AutoModelForImageTextToText.from_config(config)
    set_pixels(processor, settings)
    # On the meta device there is nothing to start new embeddings from; what they add to the size is next to nothing.
    model.resize_token_embeddings = lambda *_: None
    new = add_coordinates(model, processor, settings.format) if settings.format else []
    freeze(model, stage.freeze)
    return Start(model, processor, new)


def _count(settings: TrainSettings, stage: SftStage | GrpoStage, start: Start, rows: Rows) -> tuple[list[int], int]:
    """The tokens of COUNTED rows over the whole set, and the most patches that the vision tower sees of one."""
    counted = min(len(rows), COUNTED)
    config = getattr(start.model.config, "vision_config", None)
    patch = int(getattr(config, "patch_size", 0) or 14)
    counts, patches = [], 0
    for place in range(counted):
        sample, picture = rows.read(place * len(rows) // counted)
        example = example_of(sample, picture, stage, start.processor, settings.seed)
        found = read_batch([example], [sample], stage, start.processor, picture_ids(start))[0]
        counts.append(found.tokens)
        width, height = seen_size(start.processor, (sample.width, sample.height)) or (sample.width, sample.height)
        patches = max(patches, (width // patch) * (height // patch))
    return counts, patches


def _free(gpu: bool) -> tuple[int, str]:
    import torch

    if gpu:
        return int(torch.cuda.mem_get_info()[0]), torch.cuda.get_device_name()
    import psutil  # type: ignore[import-untyped]

    return int(psutil.virtual_memory().available), "cpu"


def _size(count: int) -> str:
    return f"{count / 2**30:.1f} GiB" if count >= 2**30 else f"{count / 2**20:.1f} MiB"
