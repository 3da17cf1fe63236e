"""`pe annotate`: images in, annotated shards out."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

Text = Annotated[str | None, typer.Option()]


def annotate(
    source: Annotated[str, typer.Argument(help="Folder, glob, list of paths, WebDataset tars, parquet, or their URL.")],
    out: Annotated[Path, typer.Argument(help="The output folder; a later run adds what is new.")],
    phrases: Annotated[
        str | None, typer.Option(help="What to find: 'cat, traffic light', a .txt file, or field:NAME of the record.")
    ] = None,
    detector: Annotated[str | None, typer.Option(help="groundingdino, transformers, onnx, dataset.")] = None,
    detector_model: Annotated[str | None, typer.Option(help="Its weights: path, hub id or short name.")] = None,
    segmenter: Annotated[str | None, typer.Option(help="sam, transformers, grabcut, dataset, none.")] = None,
    segmenter_model: Annotated[str | None, typer.Option(help="Its weights.")] = None,
    captioner: Annotated[str | None, typer.Option(help="template, openai, transformers, none.")] = None,
    captioner_model: Annotated[str | None, typer.Option(help="Its weights, or the model's name at the URL.")] = None,
    captioner_url: Annotated[str | None, typer.Option(help="An OpenAI-compatible endpoint.")] = None,
    region_captions: Annotated[
        bool | None, typer.Option("--region-captions", help="Caption each instance too.")
    ] = None,
    annotations: Annotated[str | None, typer.Option(help="COCO or LVIS JSON, YOLO data.yaml or labels.")] = None,
    box_threshold: Annotated[float | None, typer.Option(help="Least score of a box (0.35).")] = None,
    text_threshold: Annotated[float | None, typer.Option(help="Least mean score of a phrase (0.25).")] = None,
    epsilon: Annotated[float | None, typer.Option(help="Ring simplification, share of perimeter (0.005).")] = None,
    simplify: Annotated[str | None, typer.Option(help="Rings' vertices: dp or fit (to the pixels) (dp).")] = None,
    orientation: Annotated[str | None, typer.Option(help="cw, ccw or simpleseg-compat (cw).")] = None,
    filter: Annotated[
        list[str] | None, typer.Option(help="NAME:KEY=VALUE, such as size:min_side=64; repeatable.")
    ] = None,
    near_duplicates: Annotated[
        str | None, typer.Option(help="drop or keep pictures that look like an earlier one (keep).")
    ] = None,
    respect_opt_out: Annotated[
        bool | None, typer.Option("--respect-opt-out/--ignore-opt-out", help="Leave out what asks for it (on).")
    ] = None,
    device: Annotated[str | None, typer.Option(help="auto, cpu, cuda or cuda:N (auto).")] = None,
    dtype: Annotated[str | None, typer.Option(help="float32, float16 or bfloat16 (float32).")] = None,
    batch_size: Annotated[int | None, typer.Option(help="Pictures a model sees at once (4).")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that take slices; one a GPU (1).")] = None,
    shard_inputs: Annotated[int | None, typer.Option(help="Most inputs a shard covers (1000).")] = None,
    data_source: Annotated[str | None, typer.Option(help="Its name in every record (SOURCE/grounding).")] = None,
    config: Annotated[Path | None, typer.Option(help="A YAML file with a section 'annotate'.")] = None,
    preset: Annotated[str | None, typer.Option(help="Settings that ship by name.")] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done and do nothing.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Find, outline and caption what is in pictures, into shards that never lose an input.

    pe annotate photos/ out/ --phrases 'person, dog, traffic light'

    pe annotate coco/train2017 out/ --detector dataset --segmenter dataset --annotations instances.json
    """
    from pe.cli._progress import reporter
    from pe.engines.run import annotate as run
    from pe.engines.run import preview
    from pe.engines.settings import AnnotateSettings
    from pe.schemas.settings import load_settings

    flags = {
        "source": source,
        "out": out,
        "phrases": phrases,
        "detector": detector,
        "detector_model": detector_model,
        "segmenter": segmenter,
        "segmenter_model": segmenter_model,
        "captioner": captioner,
        "captioner_model": captioner_model,
        "captioner_url": captioner_url,
        "region_captions": region_captions,
        "annotations": annotations,
        "box_threshold": box_threshold,
        "text_threshold": text_threshold,
        "epsilon": epsilon,
        "simplify": simplify,
        "orientation": orientation,
        "filters": filter or None,
        "near_duplicates": near_duplicates,
        "respect_opt_out": respect_opt_out,
        "device": device,
        "dtype": dtype,
        "batch_size": batch_size,
        "workers": workers,
        "shard_inputs": shard_inputs,
        "data_source": data_source,
    }
    settings = load_settings(AnnotateSettings, "annotate", flags, config=config, preset=preset or "")
    if dry_run:
        plan = preview(settings)
        typer.echo(plan.to_json() if json else plan.to_text())
        return
    with reporter() as progress:
        summary = run(settings, progress)
    typer.echo(summary.to_json() if json else summary.to_text())
    if summary.too_many_quarantined:
        raise typer.Exit(3)
