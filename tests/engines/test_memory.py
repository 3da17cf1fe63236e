"""What is held in memory at once does not grow with the inputs, their sizes or the objects in them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from pathlib import Path

import cv2
import numpy as np
import pytest

from pe.engines.gate import Gate

# Not ru_maxrss: that one starts at the size of the process that forked this one.
RUN = """
import re, sys
from pathlib import Path
from pe.cli import main
try:
    main()
finally:
    print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1], file=sys.stderr)
"""


def test_the_gate_lets_in_what_fits_and_always_the_next() -> None:
    gate, entered = Gate(10), []

    def enter(number: int, pixels: int) -> None:
        gate.enter(number, pixels)
        entered.append(number)

    threads = [threading.Thread(target=enter, args=(number, 6), daemon=True) for number in range(3)]
    for thread in reversed(threads):
        thread.start()
        time.sleep(0.05)
    # 2 came first and fitted, 0 is the next in line, 1 has to wait.
    assert entered == [2, 0]
    gate.leave(6)
    threads[1].join(5)
    assert entered == [2, 0, 1]
    late = threading.Thread(target=enter, args=(3, 6), daemon=True)
    late.start()
    time.sleep(0.05)
    assert 3 not in entered
    gate.open()
    late.join(5)
    assert entered[-1] == 3


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="no /proc to read the peak from")
@pytest.mark.parametrize(("pictures", "objects"), [(24, 1), (1, 80)])
def test_large_pictures_and_many_objects(tmp_path: Path, pictures: int, objects: int) -> None:
    width, height = (6000, 4000) if objects == 1 else (4000, 3000)
    gray = np.zeros((height, width), np.uint8)
    images, annotations = [], []
    for number in range(pictures):
        gray[:200, :200] = number * 9
        cv2.imwrite(str(tmp_path / f"{number}.jpg"), cv2.merge([gray] * 3))
        images.append({"id": number, "file_name": f"{number}.jpg", "width": width, "height": height})
        for _ in range(objects):
            ring = [0, 0, width, 0, width, height, 0, height]
            annotations.append({
                "id": len(annotations) + 1, "image_id": number, "category_id": 1, "iscrowd": 0, "area": width * height,
                "bbox": [0, 0, width, height], "segmentation": [ring],
            })  # fmt: skip
    truth = tmp_path / "instances.json"
    truth.write_text(
        json.dumps({"images": images, "annotations": annotations, "categories": [{"id": 1, "name": "sky"}]})
    )
    words = ["annotate", tmp_path, tmp_path.with_name(f"{tmp_path.name}-out"), "--detector", "dataset"]
    words += ["--segmenter", "dataset" if objects > 1 else "none", "--annotations", truth]
    done = subprocess.run(
        [sys.executable, "-c", RUN, *map(str, words)],
        capture_output=True,
        text=True,
        env=os.environ | {"PE_ANNOTATE__THREADS": "2"},
    )
    assert done.returncode == 0, done.stderr
    # One large picture is 72 MB, one mask of the other 12 MB.
    assert int(done.stderr.split()[-1]) < 1_100_000
