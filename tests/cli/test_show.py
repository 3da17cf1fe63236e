from __future__ import annotations

import json
import unicodedata

import pytest

from pe.cli import main
from pe.reports.pick import spread
from pe.schemas.sample import Sample
from pe.shards.output import Output
from tests.reports import outputs


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Output:
    return outputs.animals(tmp_path_factory.mktemp("made") / "out")


def _run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr("sys.argv", ["pe", "show", *map(str, arguments)])
    with pytest.raises(SystemExit) as stop:
        main()
    return int(stop.value.code or 0)


def test_prints_a_sample(made: Output, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    sample = next(sample for sample, _ in spread(made, 0) if len(sample.objects()) == 3)
    assert _run(monkeypatch, made.root, sample.key) == 0
    text = capsys.readouterr().out
    for word in (sample.key, sample.sha256, "3 objects", "cattle", "0.8750"):
        assert word in text
    assert not [char for char in text if unicodedata.category(char) == "Cc" and char != "\n"]


def test_json_is_the_record(made: Output, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    for sample, _ in spread(made, 0):
        assert _run(monkeypatch, made.root, sample.key, "--json") == 0
        text = capsys.readouterr().out
        assert text.count("\n") == 1
        assert text.isascii()
        assert Sample.model_validate(json.loads(text)) == sample


@pytest.mark.parametrize("key", ["nonsense", "0", "\x1b[2J"])
def test_an_unknown_key_is_one_line(
    key: str, made: Output, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert _run(monkeypatch, made.root, key) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.count("\n") == 1
    assert "\x1b" not in captured.err
    assert next(spread(made, 1))[0].key[:4] in captured.err
