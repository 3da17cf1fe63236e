from __future__ import annotations

import json
import os
import runpy
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from PIL import Image, ImageEnhance, ImageOps

ROOT = Path(__file__).parents[2]
PE = [sys.executable, "-c", "from pe.cli import main; main()"]


def pe(*words: object, **environ: str) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [*PE, *map(str, words)], capture_output=True, text=True, env=os.environ | environ, stdin=subprocess.DEVNULL
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cli") / "pictures"
    runpy.run_path(str(ROOT / "examples/draw_pictures.py"))["main"](folder, 24)
    return folder


def flags(source: Path, *more: object) -> list[object]:
    return ["--detector", "dataset", "--annotations", source / "instances.json", "--segmenter", "dataset", *more]


def content(out: Path) -> dict[str, bytes]:
    return {str(path.relative_to(out)): path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}


def test_json_on_stdout_progress_on_stderr_and_nothing_new_is_zero(drawn: Path, tmp_path: Path) -> None:
    done = pe("annotate", drawn, tmp_path / "out", *flags(drawn), "--json")
    assert done.returncode == 0, done.stderr
    result = json.loads(done.stdout)
    assert result["run"] == result["total"]
    assert result["run"]["written"] == result["run"]["inputs"] == 24
    assert {"decode", "rings", "write"} <= set(result["stages"])
    assert [json.loads(line)["event"] for line in done.stderr.splitlines()] == ["started"]
    again = pe("annotate", drawn, tmp_path / "out", *flags(drawn))
    assert again.returncode == 0
    assert again.stdout.startswith("nothing new")


def test_dry_run_says_what_would_be_done_and_writes_nothing(drawn: Path, tmp_path: Path) -> None:
    done = pe("annotate", drawn, tmp_path / "out", *flags(drawn), "--dry-run")
    assert done.returncode == 0
    assert "24 new inputs" in done.stdout
    assert "0001.jpg" in done.stdout
    assert not (tmp_path / "out").exists()
    value = json.loads(pe("annotate", drawn, tmp_path / "out", *flags(drawn), "--dry-run", "--json").stdout)
    assert (value["new_inputs"], value["ignored"]) == (24, {".json": 1})


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        (["no-such-folder", "OUT", "--phrases", "cat"], 2, "no-such-folder"),
        (["SRC", "OUT"], 2, "--phrases"),
        (["SRC", "OUT", "--detector", "yolo"], 2, "no detector is called 'yolo'"),
        (["SRC", "OUT", "--epsilon", "2"], 2, "epsilon"),
        (["SRC", "OUT", "--epsilon", "two"], 2, "'--epsilon'"),
        (["SRC", "OUT", "--near-duplicates", "yes"], 2, "near_duplicates"),
        (["SRC", "OUT", "--config", "none.yaml"], 2, "none.yaml"),
        (["SRC", "OUT", "--preset", "none"], 2, "no preset"),
        (["SRC", "s3://bucket/out", "--detector", "dataset", "--annotations", "x.json"], 2, "local"),
        (["SRC", "OUT", "--detector", "dataset", "--annotations", "absent.json"], 2, "absent.json"),
        (["SRC", "SRC", "--detector", "dataset", "--annotations", "SRC/instances.json"], 2, "not empty"),
    ],
)
def test_wrong_usage_is_one_clear_line(drawn: Path, tmp_path: Path, words: list[str], code: int, says: str) -> None:
    done = pe("annotate", *(word.replace("SRC", str(drawn)).replace("OUT", str(tmp_path / "out")) for word in words))
    assert done.returncode == code, done.stderr
    assert says in done.stderr
    assert not (tmp_path / "out").exists()


def test_too_many_quarantined_is_three_and_nothing_is_lost(drawn: Path, tmp_path: Path) -> None:
    source = tmp_path / "pictures"
    shutil.copytree(drawn, source)
    for number in range(3):
        (source / f"bad{number}.jpg").write_bytes(b"\xff\xd8\xff" + bytes([number]) * 50)
    done = pe("annotate", source, tmp_path / "out", *flags(source))
    assert done.returncode == 3
    assert "27 inputs = 24 written + 0 filtered + 0 duplicates + 3 quarantined" in done.stdout
    assert "over 5 %" in done.stdout


@pytest.mark.parametrize(("signum", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
@pytest.mark.parametrize("workers", [1, 2])
def test_signals_end_in_order_and_the_next_run_goes_on(
    drawn: Path, tmp_path: Path, signum: signal.Signals, code: int, workers: int
) -> None:
    words = ["--segmenter", "grabcut", "--shard-inputs", 4, "--workers", workers]
    reference = pe("annotate", drawn, tmp_path / "whole", *flags(drawn), *words)
    assert reference.returncode == 0, reference.stderr
    out = tmp_path / "out"
    child = subprocess.Popen(
        [*PE, "annotate", *map(str, (drawn, out, *flags(drawn), *words))],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    while not list(out.glob("shards/*.json")) and child.poll() is None:
        time.sleep(0.005)
    child.send_signal(signum)
    _, errors = child.communicate(timeout=60)
    assert child.returncode == code, errors
    assert "Traceback" not in errors
    assert f"interrupted by {signum.name}" in errors
    assert not list(out.rglob(".*"))
    assert not list((out / "leases").iterdir())
    assert 0 < len(list(out.glob("shards/*.json"))) < 6
    assert pe("annotate", drawn, out, *flags(drawn), *words).returncode == 0
    assert content(out) == content(tmp_path / "whole")


def test_runs_at_once_share_the_work(drawn: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = [*PE, "annotate", *map(str, (drawn, out, *flags(drawn), "--shard-inputs", 2, "--json"))]
    children = [subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) for _ in range(3)]
    results = []
    for child in children:
        stdout, stderr = child.communicate(timeout=120)
        assert child.returncode == 0, stderr
        results.append(json.loads(stdout)["run"]["written"])
    assert sum(results) == 24
    assert pe("verify", out).returncode == 0
    assert len(list(out.glob("shards/*.tar"))) == 12


def test_a_full_disk_is_74_and_room_lets_the_same_command_finish(drawn: Path, tmp_path: Path) -> None:
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0 or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=400k", "none", disk]).returncode:
        pytest.skip("a tmpfs cannot be mounted here")
    try:
        words = [*flags(drawn), "--shard-inputs", 4]
        done = pe("annotate", drawn, disk / "out", *words)
        assert done.returncode == 74, done.stderr
        assert len(done.stderr.splitlines()) <= 2
        assert not [path for path in (disk / "out").rglob(".*") if path.is_file()]
        assert pe("verify", disk / "out").returncode == 0
        subprocess.run(["mount", "-o", "remount,size=20m", disk], check=True)
        assert pe("annotate", drawn, disk / "out", *words).returncode == 0
        assert pe("annotate", drawn, tmp_path / "whole", *words).returncode == 0
        assert content(disk / "out") == content(tmp_path / "whole")
    finally:
        subprocess.run(["umount", disk], check=True)


def test_settings_come_from_a_file_and_the_environment(drawn: Path, tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    config.write_text(
        f"annotate:\n  detector: dataset\n  segmenter: none\n  annotations: {drawn / 'instances.json'}\n"
        "  data_source: file\n"
    )
    done = pe("annotate", drawn, tmp_path / "out", "--config", config, PE_ANNOTATE__DATA_SOURCE="environment")
    assert done.returncode == 0, done.stderr
    shown = pe("show", tmp_path / "out", "0000-00000-00000")
    assert "environment" in shown.stdout


def test_near_duplicates_of_photos_are_dropped_when_asked(shared: Path, tmp_path: Path) -> None:
    source = tmp_path / "photos"
    source.mkdir()
    photos = sorted((shared / "photos/coco128/images").glob("*.jpg"))[:12]
    copies: dict[str, str] = {}
    for number, path in enumerate(photos):
        shutil.copy(path, source)
        image = Image.open(path).convert("RGB")
        kinds = {
            "jpeg.jpg": image,
            "png.png": image,
            "half.webp": image.resize((image.width // 2, image.height // 2), Image.Resampling.LANCZOS),
            "large.jpg": image.resize((image.width * 2, image.height * 2), Image.Resampling.BICUBIC),
            "dark.jpg": ImageEnhance.Brightness(image).enhance(0.9),
        }
        for kind in (list(kinds)[number % 5], list(kinds)[(number + 2) % 5]):
            kinds[kind].save(source / f"z{path.stem}_{kind}", quality=60)
            copies[f"z{path.stem}_{kind}"] = path.name
        ImageOps.mirror(image).save(source / f"z{path.stem}_mirrored.jpg", quality=90)
    names = sorted(path.name for path in source.iterdir())
    images = []
    for number, name in enumerate(names):
        with Image.open(source / name) as opened:
            images.append({"id": number, "file_name": name, "width": opened.width, "height": opened.height})
    classes = [{"id": 1, "name": "cat"}]
    (source / "instances.json").write_text(json.dumps({"images": images, "annotations": [], "categories": classes}))
    words = [*flags(source), "--near-duplicates", "drop"]
    done = pe("annotate", source, tmp_path / "out", *words)
    assert done.returncode == 0, done.stderr
    assert "48 inputs = 24 written + 0 filtered + 24 duplicates (24 near) + 0 quarantined" in done.stdout
    lines = [json.loads(line) for line in (tmp_path / "out/ledger/0000-00000.jsonl").open()]
    assert {line["id"]: line["of"] for line in lines if line["status"] == "duplicate"} == copies
    assert {line.get("how") for line in lines if line["status"] == "duplicate"} == {"near"}
    assert pe("verify", tmp_path / "out").returncode == 0
    assert pe("annotate", source, tmp_path / "out", *words).stdout.startswith("nothing new")
    refused = pe("annotate", source, tmp_path / "out", *flags(source))
    assert (refused.returncode, 'near_duplicates "drop" -> "keep"' in refused.stderr) == (2, True)


def test_bench_prints_rates() -> None:
    value = json.loads(pe("bench", "--json").stdout)
    assert value["decode_per_second"] > 0
    assert value["rings_ms_a_mask"] > 0
