"""How many detection scores a second the reward service gives over loopback HTTP, beside scoring in process.

python benchmarks/reward_service.py [--seconds 10] [--workers 2] [--rollouts 8] [--boxes 10]

Requests hold 64 responses: eight rollouts of each of eight prompts, or so. Every score is compared with the one in
process. Prints one JSON line a figure.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from pe.verifiers import Question, Score, score
from pe.verifiers.service.client import BATCH, RewardClient, Rollouts

SIZE = (1280, 960)
LABELS = ("dog", "cat", "person", "red car")


def prompts(count: int, boxes: int, rollouts: int, rng: random.Random) -> list[Rollouts]:
    """Prompts with a truth of `boxes` boxes and responses whose boxes are off by up to 12 pixels."""
    made = []
    for _ in range(count):
        truth = []
        for _ in range(boxes):
            x, y = rng.uniform(0, 1000), rng.uniform(0, 700)
            box = [x, y, x + rng.uniform(40, 280), y + rng.uniform(40, 260)]
            truth.append({"phrase": rng.choice(LABELS), "bbox": box})
        question = Question("detection", json.dumps({"objects": truth}), SIZE, json.dumps({"format": "qwen2.5-vl"}))
        made.append(Rollouts(question, tuple(_response(truth, rng) for _ in range(rollouts))))
    return made


def _response(truth: list[dict[str, object]], rng: random.Random) -> str:
    boxes = [
        {"bbox_2d": [round(float(x) + rng.uniform(-12, 12)) for x in item["bbox"]], "label": item["phrase"]}  # type: ignore[attr-defined]
        for item in truth
    ]
    return f"```json\n{json.dumps(boxes)}\n```"


def in_process(work: list[Rollouts], seconds: float) -> tuple[float, float, list[list[Score]]]:
    """Scores a second and a CPU second on one thread, and the scores of one round."""
    found = [score(each.question, each.responses) for each in work]
    count, since, used = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - since < seconds:
        for each in work:
            count += len(score(each.question, each.responses))
    return count / (time.perf_counter() - since), count / (time.process_time() - used), found


async def over_http(address: str, work: list[Rollouts], seconds: float) -> tuple[float, list[list[Score]]]:
    """Scores a second through the client, and the scores of one round."""
    async with RewardClient([address]) as client:
        found = await client.score(work)
        count, since = 0, time.perf_counter()
        while time.perf_counter() - since < seconds:
            count += sum(map(len, await client.score(work)))
        return count / (time.perf_counter() - since), found


def main() -> None:
    """Start a server, measure both, compare, stop the server."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--rollouts", type=int, default=8)
    parser.add_argument("--boxes", type=int, default=10)
    options = parser.parse_args()
    load = os.getloadavg()[0]
    print(json.dumps({"cores": len(os.sched_getaffinity(0)), "load_before": round(load, 2)}), flush=True)
    work = prompts(16 * BATCH // options.rollouts, options.boxes, options.rollouts, random.Random(1))
    command = [str(Path(sys.executable).with_name("pe")), "serve", "--port", "0", "--workers", str(options.workers)]
    server = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        line = server.stderr.readline()
        if "serving" not in line:
            raise SystemExit(f"the server did not start: {line}")
        here, here_cpu, expected = in_process(work, options.seconds / 2)
        figures = {"in_process_scores_a_second": round(here), "a_cpu_second": round(here_cpu), "boxes": options.boxes}
        print(json.dumps(figures), flush=True)
        asyncio.run(over_http(line.split()[1], work, 0))
        wall, client, service = time.perf_counter(), time.process_time(), _cpu(server.pid)
        there, found = asyncio.run(over_http(line.split()[1], work, options.seconds))
        wall = time.perf_counter() - wall
        cores = {"client": (time.process_time() - client) / wall, "service": (_cpu(server.pid) - service) / wall}
        wrong = sum(a.score != b.score for x, y in zip(expected, found, strict=True) for a, b in zip(x, y, strict=True))
        figures = {"http_scores_a_second": round(there), "workers": options.workers, "batch": BATCH, "wrong": wrong}
        print(json.dumps(figures | {f"{name}_cores": round(used, 2) for name, used in cores.items()}), flush=True)
        # What the wire costs shows in CPU seconds, however busy the machine is.
        ratios = {"by_wall": there / here, "by_cpu": there / sum(cores.values()) / here_cpu}
        print(json.dumps({"http_to_in_process": {name: round(ratio, 2) for name, ratio in ratios.items()}}))
    finally:
        server.send_signal(signal.SIGTERM)
        server.wait(60)


def _cpu(pid: int) -> float:
    """CPU seconds of a process and its children that live."""
    total = 0.0
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            fields = (folder / "stat").read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(folder.name) == pid or int(fields[1]) == pid:
            total += (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
    return total


if __name__ == "__main__":
    main()
