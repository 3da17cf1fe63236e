"""The record of an annotated picture."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pe.annotators.base import Caption, Detections
from pe.schemas.sample import Object, RewardModel, Sample, Verifier, dumps, objects_to_json, to_grid
from pe.shards.pictures import Picture


def annotated_sample(
    key: str,
    picture: Picture,
    objects: list[Object],
    detections: Detections,
    caption: Caption,
    *,
    data_source: str,
    provenance: Mapping[str, Any],
) -> Sample:
    """The record of one picture; region captions go into `objects`. `provenance` is what all records of a run share."""
    for item, text in zip(objects, caption.regions, strict=False):
        item.caption = text or None
    found = {item.phrase for item in objects} | {item.phrase for item in detections.dropped}
    negatives = [phrase for phrase in detections.negatives if phrase not in found]
    provenance = dict(provenance)
    if detections.dropped:
        provenance["dropped"] = [
            {
                "phrase": item.phrase,
                "bbox": [to_grid(value) for value in item.box],
                "reason": item.reason,
                "score": round(item.score, 4),
            }
            for item in detections.dropped
        ]
    if picture.meta.fields:
        provenance["source"] = picture.meta.fields
    truth = {
        "objects": [{"phrase": item.phrase, "bbox": list(item.bbox)} for item in objects],
        "negatives": negatives,
    }
    return Sample(
        key=key,
        kind="annotated",
        width=picture.width,
        height=picture.height,
        format=picture.format,
        sha256=picture.sha256,
        source=picture.source,
        source_sha256=picture.source_sha256,
        reencoded=picture.reencoded,
        url=picture.meta.url,
        license=picture.meta.license,
        opt_out=picture.meta.opt_out,
        data_source=data_source,
        ability="detection",
        caption=caption.text,
        objects_json=objects_to_json(objects),
        negatives_json=dumps(negatives),
        reward_model=RewardModel(
            style="rule", ground_truth=dumps(truth), weights_json=dumps({"accuracy": 1.0, "format": 0.1})
        ),
        verifier=Verifier(name="detection", params_json="{}"),
        provenance_json=dumps(provenance),
    )
