"""A recipe with several seeds, and a table of what its arms reach: mean and range over the seeds.

    python benchmarks/claims.py rex-omni-small vlm-r1-small --seeds 0 1 2 --out build/claims

Each seed is a `pe run` in a folder of its own, so that the command goes on where it was killed. Scenes, rows and models
before training are the same for every seed; order, rollouts and new weights are not.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections import defaultdict
from pathlib import Path
from statistics import mean
from typing import Any

import yaml

from pe.recipes.shipped import recipe_path
from pe.schemas.settings import read_yaml

FIGURES = (
    ("box-f1-one-to-one", "F1@.50", "F1@.5"),
    ("box-f1-one-to-one", "F1@mean", "F1@mean"),
    ("box-f1-one-to-one", "precision@.50", "precision"),
    ("box-f1-one-to-one", "recall@.50", "recall"),
    ("off-target", "a response", "off target"),
    ("objects-a-response", "objects", "boxes"),
    ("objects-a-response", "truths", "truths"),
    ("duplicate-ratio", "duplicates", "duplicates"),
    ("large-box-ratio", "large", "large"),
    ("rejection", "hallucination", "hallucination"),
    ("region-iou-union", "gIoU", "gIoU"),
    ("count-error", "exact", "exact"),
    ("reward", "score", "reward"),
)


def seeded(path: Path, seed: int) -> dict[str, Any]:
    """The recipe at `path` with `seed` in each of its trainings."""
    recipe = read_yaml(path.read_text("utf-8"))
    trainings = recipe["train"] if isinstance(recipe["train"], list) else [recipe["train"]]
    recipe["train"] = [{**training, "seed": seed} for training in trainings]
    return recipe


def arms(folder: Path) -> dict[str, dict[str, float]]:
    """The figures of each evaluation of a run, by its name."""
    found: dict[str, dict[str, float]] = {}
    for path in sorted(folder.glob("eval/*/evaluation.json")):
        groups = json.loads(path.read_bytes())["groups"]["all"]
        values = {}
        for metric, figure, title in FIGURES:
            value = groups.get(metric, {}).get(figure, {}).get("value")
            if value is not None:
                values[title] = float(value)
        found[path.parent.name] = values
    return found


def seconds(folder: Path) -> dict[str, float]:
    """How long each stage of a run took."""
    return {path.parent.name: json.loads(path.read_bytes())["seconds"] for path in sorted(folder.rglob("done.json"))}


def table(runs: list[dict[str, dict[str, float]]]) -> str:
    """Markdown: a row an arm; mean over the runs, and the least and the most where they differ."""
    values: dict[str, dict[str, list[float]]] = defaultdict(lambda: defaultdict(list))
    for run in runs:
        for arm, figures in run.items():
            for title, value in figures.items():
                values[arm][title].append(value)
    titles = [title for _, _, title in FIGURES if any(title in figures for figures in values.values())]
    lines = ["| arm | " + " | ".join(titles) + " |", "|---|" + "---:|" * len(titles)]
    for arm, figures in values.items():
        lines.append(f"| {arm} | {' | '.join(_cell(figures[title]) for title in titles)} |")
    return "\n".join(lines)


def _cell(values: list[float]) -> str:
    if not values:
        return "-"
    spread = f" ({min(values):.3f} to {max(values):.3f})" if max(values) - min(values) > 5e-4 else ""
    return f"{mean(values):.3f}{spread}"


def main() -> None:
    """Run what is missing, print the table of each recipe."""
    parser = argparse.ArgumentParser()
    parser.add_argument("recipes", nargs="+", help="names of recipes that ship, or files")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--out", type=Path, default=Path("build/claims"))
    arguments = parser.parse_args()
    for word in arguments.recipes:
        path = recipe_path(word)
        runs = []
        for seed in arguments.seeds:
            folder = arguments.out / path.stem / f"seed-{seed}"
            folder.mkdir(parents=True, exist_ok=True)
            file = folder / "recipe.yaml"
            file.write_text(yaml.safe_dump(seeded(path, seed), sort_keys=False), encoding="utf-8")
            subprocess.run([sys.executable, "-m", "pe", "run", str(file), "--out", str(folder)], check=True)
            runs.append(arms(folder))
            print(f"{path.stem}, seed {seed}: seconds a stage {seconds(folder)}", flush=True)
        print(f"\n{path.stem}, {len(runs)} seeds: mean (least to most)\n\n{table(runs)}\n", flush=True)


if __name__ == "__main__":
    main()
