"""The run folder: which run it is, and that it is the same one when it goes on."""

from __future__ import annotations

import fcntl
import importlib.metadata
import json
import os
import platform
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from pe import __version__
from pe.errors import DamageError, InputError
from pe.shards.output import disk_errors, write_whole
from pe.training.rows import find_shards, manifest_of
from pe.training.settings import TrainSettings

_PACKAGES = ("torch", "transformers", "trl", "peft", "accelerate", "datasets", "tokenizers", "vllm", "deepspeed")


class RunFolder:
    """`settings.out`, with run.yaml, manifest.json and environment.json, and a folder a stage."""

    def __init__(self, settings: TrainSettings) -> None:
        self.root = settings.out
        self._settings = settings

    def stage(self, name: str) -> Path:
        """The folder of a stage."""
        return self.root / name

    def is_done(self, name: str) -> bool:
        """Whether a stage is finished and its model whole."""
        return (self.stage(name) / "done.json").is_file()

    def finish(self, name: str, facts: Mapping[str, Any]) -> None:
        """Mark a stage as finished."""
        write_whole(self.stage(name) / "done.json", (json.dumps(facts, indent=2) + "\n").encode())

    def begin(self) -> None:
        """Write down what the run is, or raise InputError where the folder holds another one."""
        if self.root.exists() and not self.root.is_dir():
            raise InputError(f"{self.root} is a file; name a folder for the run")
        path = self.root / "run.yaml"
        # A dry run leaves the first batch of each stage.
        ours = {".lock", *self._settings.stage_names}
        if self.root.is_dir() and not path.is_file() and any(item.name not in ours for item in self.root.iterdir()):
            raise InputError(f"{self.root} is not empty and no run of pe train (it has no run.yaml); name a new folder")
        config = self._settings.results_config()
        if path.is_file():
            config = self._same_run(path, config)
        manifest = self._manifest()
        with disk_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
        write_whole(path, yaml.safe_dump({"train": config}, sort_keys=False, allow_unicode=True).encode())
        write_whole(self.root / "manifest.json", (json.dumps(manifest, indent=2) + "\n").encode())

    def note_environment(self) -> None:
        """Write down what the run goes on with: versions and device."""
        found = json.dumps(_environment(self._settings.device), indent=2) + "\n"
        write_whole(self.root / "environment.json", found.encode())

    def _same_run(self, path: Path, config: dict[str, Any]) -> dict[str, Any]:
        """`config` with the data that run.yaml has for stages without any now."""
        try:
            before = yaml.safe_load(path.read_text("utf-8"))["train"]
            before = TrainSettings.model_validate({**before, "out": self.root}).results_config()
        except (OSError, ValueError, TypeError, KeyError, yaml.YAMLError) as error:
            raise DamageError(f"{path}: cannot be read: {' '.join(str(error).split())[:200]}") from None
        for old, new in zip(before["stages"], config["stages"], strict=False):
            if not old["data"] or not new["data"]:
                old["data"] = new["data"] = old["data"] or new["data"]
        changed = [name for name, value in config.items() if before[name] != value]
        if changed:
            found = ", ".join(_differences(before, config, changed))
            raise InputError(
                f"{self.root} was begun with other settings ({found}): go on with those of its run.yaml, or name a new "
                "folder with --out"
            )
        return config

    def _manifest(self) -> dict[str, Any]:
        path = self.root / "manifest.json"
        known: dict[str, Any] = {}
        if path.is_file():
            try:
                known = json.loads(path.read_bytes())["stages"]
            except (OSError, ValueError, KeyError, TypeError) as error:
                raise DamageError(f"{path}: cannot be read: {error}") from None
        for name, stage in zip(self._settings.stage_names, self._settings.stages, strict=True):
            if not stage.data:
                continue
            found = manifest_of(find_shards(stage.data))
            if name in known and _contents(known[name]) != _contents(found):
                raise InputError(f"{self.root}: the shards of stage {name} are not those that it began with")
            known[name] = found
        return {"stages": known}

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Within, no other `pe train` works in this folder."""
        with disk_errors(self.root):
            self.root.mkdir(parents=True, exist_ok=True)
            stream = (self.root / ".lock").open("w")
        with stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise InputError(f"{self.root}: another pe train is at work there") from None
            yield


def _differences(before: dict[str, Any], now: dict[str, Any], changed: list[str]) -> list[str]:
    found = []
    for name in changed:
        old, new = before[name], now[name]
        if name != "stages":
            found.append(f"{name} was {old!r} and is {new!r}")
        elif len(old) != len(new):
            found.append(f"there were {len(old)} stages and are {len(new)}")
        else:
            for one, other in zip(old, new, strict=True):
                where = one["name"] or one["kind"]
                keys = [key for key in other if one.get(key) != other[key]]
                found += [f"{where}.{key} was {one.get(key)!r} and is {other[key]!r}" for key in keys]
    return found


def _contents(shards: list[dict[str, Any]]) -> list[tuple[int, str]]:
    return [(item["rows"], item["sidecar_sha256"]) for item in shards]


def _environment(device: str) -> dict[str, Any]:
    import torch

    versions = {}
    for name in _PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            continue
    cuda = device != "cpu" and torch.cuda.is_available()
    return {
        "pe": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": versions,
        "device": torch.cuda.get_device_name(0) if cuda else "cpu",
        "devices": torch.cuda.device_count() if cuda else 0,
        "processes": int(os.environ.get("WORLD_SIZE", "1")),
        "threads": torch.get_num_threads(),
    }
