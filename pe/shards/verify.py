"""Finds any damage in an output folder: its shards, sidecars, ledgers and plan, and whether they fit together."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from pe.errors import DamageError, InputError
from pe.shards.check import ShardReport, check_shard
from pe.shards.lease import holder
from pe.shards.output import Output, Summary
from pe.shards.plan import Plan, load_plan
from pe.shards.sidecar import Sidecar
from pe.shards.writer import count_ledger


@dataclass
class Report:
    """What was found in an output folder. `notes` are no damage: work that is not done yet, leftovers."""

    shards: list[ShardReport] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    summary: Summary = field(default_factory=Summary)

    @property
    def damaged(self) -> list[ShardReport]:
        """The shards that are not whole."""
        return [shard for shard in self.shards if shard.problems]

    @property
    def whole(self) -> bool:
        """Whether no damage was found."""
        return not self.damaged and not self.problems


def verify_output(output: Output, on_progress: Callable[[int, int], None] | None = None) -> Report:
    """Check everything in `output`; `on_progress(done, shards)` is called after each shard.

    Raises InputError when it is not an output folder.
    """
    if not output.exists and not output.shards_dir.is_dir():
        raise InputError(f"{output.root} is not an output folder of pe: it has no plan.jsonl and no shards")
    report = Report()
    plan = _plan(output, report)
    files = [path for path in output.shards_dir.glob("*") if path.suffix in (".tar", ".json")]
    names = sorted({path.stem for path in files if not path.name.startswith(".")})
    owners: dict[str, str] = {}
    for done, name in enumerate(names, start=1):
        if not output.is_committed(name) and (who := holder(output, name)):
            report.notes.append(f"{name} is being written by {who}")
            continue
        shard, sidecar = check_shard(output.tar_path(name))
        if sidecar is not None:
            report.summary.add(sidecar)
            _check_books(output, sidecar, shard)
            if plan is not None:
                _check_plan(plan, sidecar, shard)
        for key in [*shard.safe, *shard.unsafe]:
            if owners.setdefault(key, name) != name:
                shard.problems.append(f"key {key} is also in {owners[key]}")
        report.shards.append(shard)
        if on_progress is not None:
            on_progress(done, len(names))
    _note_leftovers(output, report)
    return report


def verify_shard(path: Path) -> ShardReport:
    """Check one shard by itself; `path` is its tar or its sidecar. Raises InputError when it is neither."""
    if path.suffix not in (".tar", ".json") or not path.is_file():
        raise InputError(f"{path} is neither an output folder nor a shard (a .tar with a .json beside it)")
    return check_shard(path.with_suffix(".tar"))[0]


def _plan(output: Output, report: Report) -> Plan | None:
    try:
        plan = load_plan(output)
    except (DamageError, InputError) as error:
        report.problems.append(str(error))
        return None
    if plan.open_plan is not None:
        report.notes.append("planning was interrupted; the same command goes on")
    left = sum(not output.is_committed(name) for name in plan.names)
    if left:
        report.notes.append(f"{left} of {len(plan)} slices are not done yet; the same command goes on")
    return plan


def _check_books(output: Output, sidecar: Sidecar, shard: ShardReport) -> None:
    """Ledger and quarantine are as committed, and give the sidecar's counts."""
    name = sidecar.shard
    for what, path, sha256 in (
        ("ledger", output.ledger_path(name), sidecar.ledger_sha256),
        ("quarantine", output.quarantine_path(name), sidecar.quarantine_sha256),
    ):
        try:
            data = path.read_bytes() if path.exists() else None
        except OSError as error:
            shard.problems.append(f"its {what} cannot be read: {error.strerror}")
            continue
        if data is None and sha256:
            shard.problems.append(f"its {what} is missing")
        elif data is not None and hashlib.sha256(data).hexdigest() != sha256:
            shard.problems.append(f"its {what} was changed")
        elif data is not None and what == "ledger":
            try:
                counts = count_ledger(json.loads(line) for line in data.splitlines())
            except (ValueError, KeyError, TypeError) as error:
                shard.problems.append(f"its ledger cannot be read: {error}")
                continue
            if counts != sidecar.counts:
                shard.problems.append("its ledger does not give the sidecar's counts")


def _check_plan(plan: Plan, sidecar: Sidecar, shard: ShardReport) -> None:
    """The shard is one of the plan's slices, made of that slice's inputs with that plan's settings."""
    name = sidecar.shard
    if name not in plan:
        shard.problems.append("plan.jsonl has no such slice")
        return
    try:
        piece = plan.slice(name)
    except DamageError as error:
        shard.problems.append(str(error))
        return
    if len(piece.inputs) != sidecar.inputs:
        shard.problems.append(f"{len(piece.inputs)} inputs were planned and {sidecar.inputs} are accounted for")
    elif piece.input_hash != sidecar.input_hash:
        shard.problems.append("its inputs are not those of the plan")
    if sidecar.config_hash not in {header["config_hash"] for header in plan.headers}:
        shard.problems.append("it was made with other settings than the plan's")


def _note_leftovers(output: Output, report: Report) -> None:
    folders = (output.shards_dir, output.ledger_dir, output.quarantine_dir)
    temps = [path.name for folder in folders for path in folder.glob(".*.tmp")]
    if temps:
        more = f" and {len(temps) - 1} more" if len(temps) > 1 else ""
        report.notes.append(f"temporary files of a killed or running command: {min(temps)}{more}")
