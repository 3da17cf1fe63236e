"""How fast scenes are drawn: scenes a CPU second on one thread, per profile, before encoding and as whole samples.

python benchmarks/synth_speed.py [--scenes 400]
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import cv2

from pe.engines.synthetic.engine import SyntheticEngine
from pe.engines.synthetic.scene import WORLDS, draw_scene, scene_rng
from pe.engines.synthetic.settings import SynthSettings


def main() -> None:
    """Print one JSON line a profile."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--scenes", type=int, default=400)
    count = parser.parse_args().scenes
    cv2.setNumThreads(1)
    for profile, world in WORLDS.items():
        since = time.process_time()
        things = sum(len(draw_scene(world, scene_rng(1, "train", i), "train").things) for i in range(count))
        drawn = count / (time.process_time() - since)
        engine = SyntheticEngine(SynthSettings.model_validate({"out": Path(), "profile": profile}), "")
        since = time.process_time()
        for i in range(count):
            engine.draw(f"scene-{i}", i)
        whole = count / (time.process_time() - since)
        line = {"profile": profile, "side": world.side, "things_a_scene": round(things / count, 2)}
        print(json.dumps({**line, "drawn_a_second": round(drawn), "samples_a_second": round(whole)}), flush=True)


if __name__ == "__main__":
    main()
