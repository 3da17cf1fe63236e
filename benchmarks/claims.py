"""Recipes with several seeds, and for each a table of what its arms reach: mean and range over the seeds.

    python benchmarks/claims.py rex-omni-small vlm-r1-small --seeds 0 1 2 --out build/claims

A recipe is one `pe run` in a folder of its own, which goes on where it was killed: its data are made once, its
trainings and what is evaluated of them once a seed, in `seed-N/`. Order, rollouts and new weights differ between seeds.
Recipes run beside each other, one a core.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections import defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from statistics import mean
from typing import Any

import yaml

from pe.errors import PeError
from pe.recipes.plan import read_recipe
from pe.recipes.shipped import recipe_path
from pe.schemas.settings import read_yaml

FIGURES = (
    ("box-f1-one-to-one", "F1@mean", "F1@mean"),
    ("box-f1-one-to-one", "F1@.50", "F1@.5"),
    ("box-f1-one-to-one", "precision@.50", "precision"),
    ("box-f1-one-to-one", "recall@.50", "recall"),
    ("region-iou-union", "gIoU", "gIoU"),
    ("region-iou-union", "cIoU", "cIoU"),
    ("mask-f1-one-to-one", "precision@.50", "mask precision"),
    ("mask-f1-one-to-one", "recall@.50", "mask recall"),
    ("rec-accuracy", "Acc@.50", "Acc@.5"),
    ("point-in-mask-f1-one-to-one", "F1", "point F1"),
    ("off-target", "a response", "off target"),
    ("objects-a-response", "objects", "objects"),
    ("objects-a-response", "truths", "truths"),
    ("duplicate-ratio", "duplicates", "duplicates"),
    ("large-box-ratio", "large boxes", "large"),
    ("rejection", "hallucination", "hallucination"),
    ("count-error", "exact", "exact"),
    ("response-length", "tokens", "tokens"),
    ("reward", "score", "reward"),
)
"""Metric, its figure, and the title of its column; columns that no arm of a recipe has are left out."""
LESS_IS_BETTER = {"off target", "duplicates", "large", "hallucination"}
NO_JUDGEMENT = {"objects", "truths", "tokens"}

Figures = dict[str, float]


def seeded(recipe: dict[str, Any], seeds: list[int]) -> dict[str, Any]:
    """The recipe with its trainings, and the evaluations of what they make, once a seed."""
    trainings = _list(recipe["train"])
    made = {PurePosixPath(training["out"]) for training in trainings}
    evaluations = _list(recipe["eval"])
    made |= {PurePosixPath(item["out"]) for item in evaluations if _below(item["model"], made)}

    def moved(settings: dict[str, Any], seed: int) -> dict[str, Any]:
        return {
            key: f"seed-{seed}/{value}" if key in ("out", "model", "compare") and _below(value, made) else value
            for key, value in settings.items()
        }

    once = [item for item in evaluations if not _below(item["model"], made)]
    again = [item for item in evaluations if _below(item["model"], made)]
    return {
        **recipe,
        "train": [{**moved(training, seed), "seed": seed} for seed in seeds for training in trainings],
        "eval": once + [moved(item, seed) for seed in seeds for item in again],
    }


def _list(section: Any) -> list[dict[str, Any]]:
    return section if isinstance(section, list) else [section]


def _below(path: str, folders: set[PurePosixPath]) -> bool:
    return not folders.isdisjoint((PurePosixPath(path), *PurePosixPath(path).parents))


def evaluated(recipe: dict[str, Any], folder: Path, seeds: list[int]) -> dict[str, list[Figures]]:
    """The figures of each evaluation of the recipe, by its own `out`: a list over the seeds, or of one."""
    found = {}
    for item in _list(recipe["eval"]):
        once = folder / item["out"]
        folders = [once] if once.is_dir() else [folder / f"seed-{seed}" / item["out"] for seed in seeds]
        found[item["out"]] = [_figures(one / "evaluation.json") for one in folders]
    return found


def _figures(path: Path) -> Figures:
    groups = json.loads(path.read_bytes())["groups"]["all"]
    values = {title: groups.get(metric, {}).get(figure, {}).get("value") for metric, figure, title in FIGURES}
    return {title: float(value) for title, value in values.items() if value is not None}


def table(found: dict[str, list[Figures]]) -> Iterator[str]:
    """Markdown: a row an evaluation; mean over the seeds, and the least and the most where they differ."""
    titles = [title for _, _, title in FIGURES if any(title in runs[0] for runs in found.values())]
    yield "| evaluation | " + " | ".join(titles) + " |"
    yield "|---|" + "---:|" * len(titles)
    for name, runs in found.items():
        cells = [_cell([figures[title] for figures in runs]) if title in runs[0] else "-" for title in titles]
        yield f"| {name.removeprefix('eval/')} | {' | '.join(cells)} |"


def _cell(values: list[float]) -> str:
    spread = f" ({min(values):.3f} to {max(values):.3f})" if max(values) - min(values) > 5e-4 else ""
    return f"{mean(values):.3f}{spread}"


def orderings(recipe: dict[str, Any], found: dict[str, list[Figures]]) -> Iterator[str]:
    """For each evaluation that is compared with another: what is better and what worse by ranges without overlap."""
    for item in _list(recipe["eval"]):
        if "compare" not in item:
            continue
        ours, others = found[item["out"]], found[item["compare"]]
        verdicts: dict[str, list[str]] = defaultdict(list)
        for title in ours[0]:
            if title not in others[0] or title in NO_JUDGEMENT:
                continue
            sign = -1 if title in LESS_IS_BETTER else 1
            here = [sign * figures[title] for figures in ours]
            there = [sign * figures[title] for figures in others]
            if max(map(abs, (min(here) - max(there), max(here) - min(there)))) < 5e-4:
                continue
            verdict = "better" if min(here) > max(there) else "worse" if max(here) < min(there) else "not told apart"
            verdicts[verdict].append(f"{title} {sign * (mean(here) - mean(there)):+.3f}")
        names = f"{item['out'].removeprefix('eval/')} against {item['compare'].removeprefix('eval/')}"
        yield f"- {names}: " + "; ".join(f"{verdict}: {', '.join(titles)}" for verdict, titles in verdicts.items())


def seconds(folder: Path, seeds: list[int]) -> Iterator[str]:
    """How long the stages of training took, over the seeds."""
    spent: dict[str, list[float]] = defaultdict(list)
    for seed in seeds:
        for path in sorted((folder / f"seed-{seed}").rglob("done.json")):
            stage = str(path.parent.relative_to(folder / f"seed-{seed}"))
            spent[stage].append(json.loads(path.read_bytes())["seconds"])
    for stage, times in spent.items():
        yield f"- {stage}: {mean(times):.0f} s ({min(times):.0f} to {max(times):.0f})"


def run(path: Path, seeds: list[int], out: Path) -> str:
    """Run what is missing of the recipe at `path`; its tables, or in one line that it failed."""
    recipe = read_yaml(path.read_text("utf-8"))
    folder = out / path.stem
    folder.mkdir(parents=True, exist_ok=True)
    # A seed more each time, so that there is a whole table as soon as there can be.
    for count in range(1, len(seeds) + 1):
        file = folder / "recipe.yaml"
        file.write_text(yaml.safe_dump(seeded(recipe, seeds[:count]), sort_keys=False), encoding="utf-8")
        with (folder / "log.txt").open("ab") as log:
            # Threads of two processes on two cores wait for each other.
            ended = subprocess.run(
                [sys.executable, "-m", "pe", "run", str(file), "--out", str(folder)],
                check=False,
                stdout=log,
                stderr=log,
                env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"},
            )
        if ended.returncode:
            return f"{path.stem}: pe run ended with exit code {ended.returncode}; {folder / 'log.txt'} says why\n"
        found = evaluated(recipe, folder, seeds[:count])
        parts = ("", *table(found), "", *orderings(recipe, found), "", *seconds(folder, seeds[:count]), "")
        text = f"## {path.stem}, seeds {seeds[:count]}: mean (least to most)\n" + "\n".join(parts)
        (folder / "table.md").write_text(text, encoding="utf-8")
    return text


def main() -> None:
    """Run all recipes, print the tables of each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("recipes", nargs="+", help="names of recipes that ship, or files")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("build/claims"))
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, help="recipes at a time")
    arguments = parser.parse_args()
    try:
        paths = [recipe_path(word) for word in arguments.recipes]
        for path in paths:
            sections = {step.section for step in read_recipe(path).steps}
            if not {"train", "eval"} <= sections:
                parser.error(f"{path}: what is compared needs the sections train and eval")
    except PeError as error:
        parser.error(str(error))
    failed = False
    with ThreadPoolExecutor(arguments.jobs) as pool:
        for text in pool.map(lambda path: run(path, arguments.seeds, arguments.out), paths):
            print(text, flush=True)
            failed |= not text.startswith("## ")
    sys.exit(int(failed))


if __name__ == "__main__":
    main()
