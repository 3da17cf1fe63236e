"""The run page: the curves of a training run by data source, and sampled rollouts on their pictures."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import yaml

from pe.errors import InputError
from pe.reports.curves import curves
from pe.reports.page import data_uri, render
from pe.reports.rollouts import rollout_cards


def is_run(folder: Path) -> bool:
    """Whether `pe train` made the folder."""
    return (folder / "run.yaml").is_file()


def run_page(folder: Path, limit: int) -> tuple[str, dict[str, int]]:
    """A self-contained HTML page of the run in `folder`, and how many "stages", "steps" and "rollouts" it shows.

    Of each stage at most `limit` rollouts (0: all) are on it, spread over the stage. The run may be under way. Raises
    InputError for a run.yaml that cannot be read.
    """
    try:
        settings = yaml.safe_load((folder / "run.yaml").read_text("utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise InputError(f"{folder / 'run.yaml'}: cannot be read: {' '.join(str(error).split())}") from None
    train = settings.get("train", settings) if isinstance(settings, dict) else {}
    pictures: dict[str, str] = {}
    stages = [_stage(folder / name, kind, limit, pictures) for name, kind in _stages(folder, train)]
    counts = {
        "stages": len(stages),
        "steps": sum(stage["last"] for stage in stages),
        "rollouts": sum(len(stage["rollouts"]) for stage in stages),
    }
    data = {"stages": stages, "pictures": {name: uri for name, uri in pictures.items() if uri}}
    return render("run", folder.absolute().name, _note(folder, train, counts), data), counts


def _stages(folder: Path, train: Any) -> list[tuple[str, str]]:
    """(name, kind) of the stages that have begun, in the order of the run file."""
    listed = train.get("stages") if isinstance(train, dict) else None
    found = []
    for stage in listed if isinstance(listed, list) else ():
        kind = str(stage.get("kind")) if isinstance(stage, dict) else ""
        name = str(stage.get("name") or kind) if kind else ""
        if name and Path(name).name == name and (folder / name / "metrics.jsonl").is_file():
            found.append((name, kind))
    return found


def _stage(folder: Path, kind: str, limit: int, pictures: dict[str, str]) -> dict[str, Any]:
    drawn, last = curves(folder / "metrics.jsonl")
    cards, total = rollout_cards(folder, limit)
    for card in cards:
        name = f"{folder.name}/{card['key']}"
        if name not in pictures:
            pictures[name] = _picture(folder / "pictures" / f"{Path(card['key']).name}.jpg")
        card["picture"] = name
    facts = [f"{kind}, {'finished' if (folder / 'done.json').is_file() else 'not finished'}, {last:,} steps logged"]
    if total:
        facts[0] += f", {len(cards):,} of {total:,} rollouts shown"
    return {"name": folder.name, "facts": facts, "last": last, "curves": drawn, "rollouts": cards}


def _picture(path: Path) -> str:
    try:
        return data_uri(path.read_bytes())
    except OSError:
        return ""


def _note(folder: Path, train: Any, counts: dict[str, int]) -> str:
    parts = [str(train.get("model", ""))] if isinstance(train, dict) else []
    try:
        environment = json.loads((folder / "environment.json").read_text("utf-8"))
        parts.append(str(environment.get("device", "")))
    except (OSError, ValueError, AttributeError):
        pass
    stages = "1 stage" if counts["stages"] == 1 else f"{counts['stages']} stages"
    return " · ".join([*filter(None, parts), stages, f"{counts['steps']:,} steps"])
