"""When a path counts as changed."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pe.recipes.plan import Step
from pe.recipes.state import fingerprint, is_done, note_done


def test_files_folders_globs_and_output_folders(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("a/1.json", "a/2.json", "b.txt"):
        (tmp_path / name).write_text("x")
    for word in ("a", "a/*.json", "b.txt", str(tmp_path / "a/*.json"), str(tmp_path / "b.txt")):
        before = fingerprint(word, tmp_path)
        assert before
        for path in (tmp_path / "a/2.json", tmp_path / "b.txt"):
            path.write_text(path.read_text() + "x")
        assert fingerprint(word, tmp_path) != before
    assert fingerprint("nothing", tmp_path) == fingerprint("no*thing", tmp_path) == ""
    (tmp_path / "out/shards").mkdir(parents=True)
    (tmp_path / "out/plan.jsonl").write_text("")
    for name in ("0.json", "0.tar"):
        (tmp_path / "out/shards" / name).write_text("{}")
    before = fingerprint("out", tmp_path)
    (tmp_path / "out/ledger").write_text("a run that found nothing new")
    assert fingerprint("out", tmp_path) == before
    os.utime(tmp_path / "out/shards/0.json", ns=(1, 1))
    assert fingerprint("out", tmp_path) != before


@pytest.mark.parametrize("word", ["\0", "x" * 300, "[", "**x**", "~nobody-of-this-name/x", "a\\*"])
def test_words_that_are_no_paths(word: str, tmp_path: Path) -> None:
    assert fingerprint(word, tmp_path) == ""


def test_a_step_is_done_until_settings_inputs_or_output_change(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("x")
    (tmp_path / "made").write_text("x")
    note = tmp_path / "note.json"
    step = Step("build_sft", 1, 1, {"out": "made", "sources": [{"data": "in"}], "rows": 5})
    assert not is_done(step, tmp_path, note)
    note_done(step, tmp_path, note)
    assert is_done(step, tmp_path, note)
    assert not is_done(Step("build_sft", 1, 1, {**step.settings, "rows": 6}), tmp_path, note)
    for name in ("in", "made"):
        (tmp_path / name).write_text("other")
        assert not is_done(step, tmp_path, note)
        note_done(step, tmp_path, note)
    (tmp_path / "made").unlink()
    assert not is_done(step, tmp_path, note)
    note.write_text("{")
    assert not is_done(step, tmp_path, note)
