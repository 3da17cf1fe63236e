from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pe.errors import InputError
from tests.engines.conftest import Annotate


@pytest.mark.parametrize("word", ["{source}", "{source}/", "{source}/**", "{source}/../pictures", "."])
def test_an_output_inside_its_source_is_no_input(
    drawn: Path, tmp_path: Path, run: Annotate, monkeypatch: pytest.MonkeyPatch, word: str
) -> None:
    source = tmp_path / "pictures"
    shutil.copytree(drawn, source)
    monkeypatch.chdir(source)
    words = {"annotations": str(source / "instances.json")}
    place = Path(word.format(source=source))
    out = source / "some out"
    assert run(place, out, **words).run.inputs == 20
    assert run(place, out, **words).run.inputs == 0
    shutil.copy(source / "0001.jpg", source / "some output.jpg")
    grown = run(place, out, **words).run
    assert (grown.inputs, grown.duplicate) == (1, 1)


def test_a_source_inside_the_output_is_refused(drawn: Path, tmp_path: Path, run: Annotate) -> None:
    run(drawn, tmp_path / "out")
    for source in ("out", "out/shards", "out/shards/*.tar"):
        with pytest.raises(InputError, match="lies in the output folder"):
            run(tmp_path / source, tmp_path / "out", annotations=str(drawn / "instances.json"))
