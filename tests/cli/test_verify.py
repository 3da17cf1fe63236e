from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from pe.cli.verify import verify
from pe.errors import DamageError, InputError
from pe.shards.output import Output
from tests.shards import factory

app = typer.Typer()
app.command()(verify)


@pytest.fixture
def output(tmp_path: Path) -> Output:
    factory.run(tmp_path / "out", factory.photos(23))
    return Output(tmp_path / "out")


def test_a_whole_output_ends_with_0_and_says_that_it_adds_up(output: Output) -> None:
    result = CliRunner().invoke(app, [str(output.root)])
    assert result.exit_code == 0
    assert "23 inputs = 18 written + 0 filtered + 3 duplicates + 2 quarantined: whole" in result.stdout


def test_damage_is_named_and_ends_with_3(output: Output) -> None:
    path = output.tar_path("0000-00003")
    path.write_bytes(path.read_bytes()[:-2048])
    result = CliRunner().invoke(app, [str(output.root)])
    assert isinstance(result.exception, DamageError)
    assert result.exception.exit_code == 3
    assert "1 of 5 shards are damaged" in str(result.exception)
    first = result.stdout.splitlines()[0]
    assert first.startswith("0000-00003: damaged (14,336 bytes instead of 16,384): 4 of 5 samples are safe; unsafe: ")


def test_json_is_one_object(output: Output) -> None:
    value = json.loads(CliRunner().invoke(app, [str(output.root), "--json"]).stdout)
    assert value["whole"] is True
    assert value["summary"]["inputs"] == 23
    output.tar_path("0000-00003").unlink()
    value = json.loads(CliRunner().invoke(app, [str(output.root), "--json"]).stdout)
    assert value["whole"] is False
    assert list(value["damaged"][0]["unsafe"].values()) == ["missing"] * 5


def test_one_shard(output: Output) -> None:
    result = CliRunner().invoke(app, [str(output.tar_path("0000-00001"))])
    assert result.exit_code == 0
    assert "1 shards, 4 samples" in result.stdout


@pytest.mark.parametrize("name", ["missing", "empty", "file.jpg"])
def test_what_is_no_output_ends_with_2(tmp_path: Path, name: str) -> None:
    (tmp_path / "empty").mkdir()
    (tmp_path / "file.jpg").write_bytes(b"x")
    result = CliRunner().invoke(app, [str(tmp_path / name)])
    assert isinstance(result.exception, InputError)
    assert result.exception.exit_code == 2


def test_the_command_itself_prints_no_traceback(output: Output) -> None:
    output.sidecar_path("0000-00002").write_bytes(b"\xff")
    run = "from pe.cli import main; main()"
    result = subprocess.run(
        [sys.executable, "-c", run, "verify", str(output.root)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=False,
    )
    assert result.returncode == 3
    assert result.stderr.startswith("pe: ")
    assert len(result.stderr.splitlines()) == 1
    assert "0000-00002: damaged (the sidecar is cut or was changed): 3 of 3 samples are safe" in result.stdout
