"""Parts of a survey: whole or made again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pe.engines.mixes.survey import WHERE, Part


def test_a_part_is_whole_only_with_all_that_was_written(tmp_path: Path) -> None:
    part = Part(tmp_path, "000-000000", tmp_path / "a.tar")
    assert not part.is_whole()
    where = np.array([(0, 0, 0, 5, 0, 1024)], WHERE)
    part.write(b"12345", where, {"leaves": {}, "groups": [""], "skipped": {}})
    assert part.is_whole()
    assert part.where().tolist() == where.tolist()
    assert part.summary()["groups"] == [""]


@pytest.mark.parametrize("name", ["rows_path", "where_path", "summary_path"])
@pytest.mark.parametrize("damage", ["gone", "empty", "changed"])
def test_what_a_power_cut_leaves_is_no_part(name: str, damage: str, tmp_path: Path) -> None:
    part = Part(tmp_path, "000-000000", tmp_path / "a.tar")
    part.write(b"12345", np.zeros(1, WHERE), {"leaves": {}, "groups": [""], "skipped": {}})
    path: Path = getattr(part, name)
    if damage == "gone":
        path.unlink()
    else:
        path.write_bytes(b"" if damage == "empty" else bytes(len(path.read_bytes())))
    assert not part.is_whole()
