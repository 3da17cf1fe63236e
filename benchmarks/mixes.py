"""How fast a mix is built, beside copying the same bytes with the standard library, and what memory it takes.

On a machine that does other things as well, compare the processor's seconds.

python benchmarks/mixes.py PHOTOS ANNOTATIONS [--copies 40] [--rows 1000 10000 100000] [--work build/mixes] [PART ...]

Parts: speed (photographs that pass through untouched: output bytes a second, start to exit, beside tarfile's copy of
the output's shards), memory (peak of the build's process over drawn scenes, for growing numbers of rows).
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import shutil
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import yaml

from pe.shards.output import Output
from pe.shards.plan import Slice
from pe.shards.read import read_shard, shards_of
from pe.shards.writer import ShardWriter

PE = [sys.executable, "-c", "from pe.cli import main; main()"]
PEAK = """
import resource, sys
from pe.cli import main
try:
    main()
finally:
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024, file=sys.stderr)
"""


def pe(*words: object) -> str:
    """Run `pe` as a user would; what it prints."""
    done = subprocess.run([*PE, *map(str, words)], capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"pe {' '.join(map(str, words))}: exit {done.returncode}\n{done.stderr}")
    return done.stdout


def children() -> float:
    """Seconds of the processor that processes started here have used."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def multiplied(source: Path, out: Path, copies: int) -> None:
    """`source` with every picture `copies` times, each with a comment of its own in its bytes, as other pictures."""
    for number in range(copies):
        output = Output(out / f"{number:03d}")
        output.create()
        output.plan_path.write_text(
            '{"plan":"0000","config":{},"config_hash":"","pe_version":"","shard_inputs":0,"shard_bytes":0}\n'
        )
        for shard in shards_of(source):
            piece = Slice(shard.stem, [])
            with ShardWriter(output, piece.name) as writer:
                ledger = []
                for sample, data in read_shard(shard):
                    note = f"{number:08d}".encode()
                    image = data[:2] + b"\xff\xfe" + (2 + len(note)).to_bytes(2, "big") + note + data[2:]
                    sha256 = hashlib.sha256(image).hexdigest()
                    writer.add(sample.model_copy(update={"sha256": sha256, "source_sha256": sha256}), image)
                    ledger.append({"id": sample.key, "status": "written", "key": sample.key})
                writer.commit(ledger=ledger, quarantine=[], config_hash="0" * 16, input_hash="0" * 16)


def speed(photos: Path, annotations: Path, work: Path, copies: int) -> None:
    """Print MB/s of the build and of copying its output's members from tar to tar."""
    pe("annotate", photos, work / "annotated", "--detector", "dataset", "--segmenter", "dataset", "--captioner", "none",
       "--annotations", annotations)  # fmt: skip
    multiplied(work / "annotated", work / "many", copies)
    mix = work / "speed.yaml"
    sources = [{"task": "detect", "data": f"{work}/many/*/shards/*.tar"}]
    mix.write_text(yaml.safe_dump({"build_sft": {"format": "qwen2.5-vl", "sources": sources}}))
    for workers in (1, 1, 2, 2):
        out = work / "rows"
        since, spent = time.perf_counter(), children()
        pe("build-sft", mix, out, "--workers", workers)
        built, build_cpu = time.perf_counter() - since, children() - spent
        tars = shards_of(out)
        size = sum(tar.stat().st_size for tar in tars)
        since, spent = time.perf_counter(), time.process_time()
        copy = work / "copy"
        copy.mkdir(exist_ok=True)
        for tar in tars:
            with tarfile.open(tar) as old, tarfile.open(copy / tar.name, "w") as new:
                for member in old:
                    new.addfile(member, old.extractfile(member))
        copied, copy_cpu = time.perf_counter() - since, time.process_time() - spent
        print(
            f"{workers} workers, {size / 1e6:.0f} MB: built in {built:.2f} s ({size / built / 1e6:.0f} MB/s), "
            f"copied in {copied:.2f} s ({size / copied / 1e6:.0f} MB/s): {copied / built:.2f}; "
            f"{build_cpu:.2f} and {copy_cpu:.2f} s of the processor: {copy_cpu / build_cpu:.2f}",
            flush=True,
        )
        shutil.rmtree(out)
        shutil.rmtree(copy)


def memory(work: Path, counts: list[int]) -> None:
    """Print the peak memory of builds of growing size."""
    pe("synth", work / "scenes", "--scenes", 2000)
    mix = work / "memory.yaml"
    mix.write_text(yaml.safe_dump({"build_rl": {"sources": [{"task": "detect", "data": str(work / "scenes")}]}}))
    for count in counts:
        out = work / f"memory-{count}"
        words = ["build-rl", str(mix), str(out), "--rows", str(count)]
        since = time.perf_counter()
        done = subprocess.run([sys.executable, "-c", PEAK, *words], capture_output=True, text=True, check=True)
        seconds = time.perf_counter() - since
        print(f"{count} rows: peak {done.stderr.split()[-1]} MB, {seconds:.0f} s", flush=True)
        shutil.rmtree(out)


def main() -> None:
    """Run the parts that are named, or all."""
    parser = argparse.ArgumentParser()
    parser.add_argument("photos", type=Path)
    parser.add_argument("annotations", type=Path)
    parser.add_argument("parts", nargs="*", default=["speed", "memory"])
    parser.add_argument("--copies", type=int, default=40)
    parser.add_argument("--rows", type=int, nargs="*", default=[1000, 10_000, 100_000])
    parser.add_argument("--work", type=Path, default=Path("build/mixes"))
    arguments = parser.parse_args()
    shutil.rmtree(arguments.work, ignore_errors=True)
    arguments.work.mkdir(parents=True)
    if "speed" in arguments.parts:
        speed(arguments.photos, arguments.annotations, arguments.work, arguments.copies)
    if "memory" in arguments.parts:
        memory(arguments.work, arguments.rows)


if __name__ == "__main__":
    main()
