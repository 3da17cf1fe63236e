"""Drawn pictures with exact ground truth, and a fast way to annotate them."""

from __future__ import annotations

import runpy
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from pe.engines.run import annotate
from pe.engines.settings import AnnotateSettings
from pe.engines.summary import RunSummary
from pe.schemas.sample import Object, Sample
from pe.schemas.settings import load_settings
from pe.shards.output import Output
from pe.shards.read import read_shard

ROOT = Path(__file__).parents[2]


class Silent:
    """A reporter that keeps the notes."""

    def __init__(self) -> None:
        self.notes: list[str] = []
        self.done = 0

    def planning(self, inputs: int) -> None: ...

    def started(self, inputs: int, slices: int) -> None: ...

    def advanced(self, inputs: int, stages: Mapping[str, Mapping[str, float]]) -> None:
        self.done += inputs

    def note(self, text: str) -> None:
        self.notes.append(text)


Annotate = Callable[..., RunSummary]


def content(out: Path) -> dict[str, bytes]:
    """Every file below `out` by its relative path."""
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def samples(out: Path) -> list[tuple[Sample, list[Object]]]:
    """Every sample of an output folder with its objects, in order."""
    return [(sample, sample.objects()) for shard in Output(out).shards() for sample, _ in read_shard(shard)]


@pytest.fixture(scope="session")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 20 drawn pictures and their instances.json; not to be written to."""
    folder = tmp_path_factory.mktemp("drawn") / "pictures"
    runpy.run_path(str(ROOT / "examples/draw_pictures.py"))["main"](folder, 20)
    return folder


@pytest.fixture
def reporter() -> Silent:
    return Silent()


@pytest.fixture
def run(reporter: Silent) -> Annotate:
    """run(source, out, **settings): by default with the boxes and masks of SOURCE/instances.json."""

    def annotate_it(source: Path, out: Path, **settings: object) -> RunSummary:
        values: dict[str, object] = {
            "source": str(source),
            "out": out,
            "detector": "dataset",
            "segmenter": "dataset",
            "annotations": str(source / "instances.json"),
            "shard_inputs": 8,
        }
        return annotate(load_settings(AnnotateSettings, "annotate", values | settings, environ={}), reporter)

    return annotate_it
