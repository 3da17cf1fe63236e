from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from pe.annotators import checkpoints
from pe.cli.models import models


@pytest.fixture
def app(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> typer.Typer:
    monkeypatch.setenv("PE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    app = typer.Typer()
    app.command()(models)
    return app


def test_lists_what_is_here_and_what_would_be_fetched(app: typer.Typer, tmp_path: Path) -> None:
    here = tmp_path / "cache" / "checkpoints" / "sam_vit_b_01ec64.pth"
    here.parent.mkdir(parents=True)
    here.write_bytes(b"")
    lines = CliRunner().invoke(app, []).stdout.splitlines()
    by_name = {line.split()[0]: line for line in lines if line}
    assert by_name["sam-vit-b"].endswith(str(here))
    assert "694" in by_name["groundingdino-swint"]
    assert "not here; from https://github.com/" in by_name["groundingdino-swint"]
    assert "Apache-2.0" in by_name["grounding-dino-tiny"]


def test_shipped_models_are_here(app: typer.Typer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoints, "ASSETS", tmp_path / "assets")
    home = tmp_path / "assets" / "demo" / "sam"
    home.mkdir(parents=True)
    (home / "model.safetensors").write_bytes(bytes(2_400_000))
    lines = CliRunner().invoke(app, []).stdout.splitlines()
    by_name = {line.split()[0]: line for line in lines if line}
    assert by_name["demo-sam"].split("  ")[-1].strip() == str(home)
    assert by_name["demo-sam"].split()[1:6] == ["segmenter", "transformers,", "sam", "2", "Apache-2.0"]
    assert by_name["demo-grounding-dino"].endswith("not here; from make demo-models")


def test_json_is_one_object(app: typer.Typer, tmp_path: Path) -> None:
    printed = json.loads(CliRunner().invoke(app, ["--json"]).stdout)
    assert printed["cache"] == str(tmp_path / "cache")
    rows = {row["name"]: row for row in printed["models"]}
    assert rows["sam-vit-b"]["bytes"] == 375042383
    assert rows["sam-vit-b"]["cached"] == ""
    assert rows["sam2.1-hiera-tiny"]["fetch"] == "facebook/sam2.1-hiera-tiny"
