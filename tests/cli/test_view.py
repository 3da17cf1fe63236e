from __future__ import annotations

import json
from pathlib import Path

import pytest

from pe.cli import main
from tests.reports import outputs, runs


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr("sys.argv", ["pe", "view", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)


def test_writes_the_page_into_the_output(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = outputs.animals(tmp_path / "animals")
    before = {path: path.read_bytes() for path in made.root.rglob("*") if path.is_file()}
    assert _run(monkeypatch, made.root) == 0
    page = made.root / "view.html"
    assert capsys.readouterr().out == f"{page}: 10 of 10 samples, 0.0 MiB\n"
    content = page.read_text("utf-8")
    assert "<h1>animals</h1>" in content
    assert "All 10 samples of 3 shards" in content
    after = {path: path.read_bytes() for path in made.root.rglob("*") if path.is_file() and path != page}
    assert after == before


def test_says_how_many_of_how_many(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = outputs.animals(tmp_path / "animals")
    page = tmp_path / "few.html"
    assert _run(monkeypatch, made.root, "--limit", 4, "-o", page, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"page": str(page), "shown": 4, "samples": 10, "shards": 3}
    assert "4 of 10 samples, spread over 3 shards" in page.read_text("utf-8")
    assert not (made.root / "view.html").exists()
    assert _run(monkeypatch, made.root, "--phrase", "cat", "--limit", 2, "-o", page) == 0
    assert "2 of 10 samples" in capsys.readouterr().out
    assert _run(monkeypatch, made.root, "--source", "<other>", "-o", page) == 0
    assert "source &lt;other&gt;" in page.read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["{here}/missing"], "not an output folder"),
        (["{here}"], "not an output folder"),
        (["{here}/animals", "-o", "{here}/no/such/page.html"], "in a folder that exists"),
        (["{here}/animals", "-o", "{here}"], "in a folder that exists"),
        (["{here}/animals", "--limit", "-1"], "limit"),
    ],
)
def test_bad_input_is_one_line(
    arguments: list[str],
    message: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    outputs.write(tmp_path / "animals", [{}])
    assert _run(monkeypatch, *(argument.format(here=tmp_path) for argument in arguments)) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert message in captured.err
    if "--limit" not in arguments:
        assert captured.err.count("\n") == 1


def test_damage_ends_with_3(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    made = outputs.write(tmp_path / "out", [{}, {}])
    (tar,) = made.shards()
    tar.write_bytes(tar.read_bytes()[:700])
    assert _run(monkeypatch, made.root) == 3
    assert capsys.readouterr().err.count("\n") == 1
    assert not (made.root / "view.html").exists()


def test_a_run_has_a_page_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    run = runs.write(tmp_path / "run")
    assert _run(monkeypatch, run, "--limit", 3) == 0
    assert capsys.readouterr().out == f"{run / 'view.html'}: 2 stages, 1,031 steps, 3 rollouts, 0.0 MiB\n"
    page = tmp_path / "page.html"
    assert _run(monkeypatch, run, "-o", page, "--json") == 0
    assert json.loads(capsys.readouterr().out) == {"page": str(page), "stages": 2, "steps": 1031, "rollouts": 5}
    assert _run(monkeypatch, run, "--phrase", "cat") == 2
    assert "the page of a run has its own" in capsys.readouterr().err
    assert _run(monkeypatch, run, "-o", tmp_path / "no/page.html") == 2
    assert "in a folder that exists" in capsys.readouterr().err
