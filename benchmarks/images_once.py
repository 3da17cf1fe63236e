"""CPU time of a step's passes where eight responses share each picture: encoded once, as a ratio to once a row.

python benchmarks/images_once.py [--pictures 8] [--responses 8] [--model demo-base]

Generation of 32 tokens, then the loss forward and backward, of the same batch, in one run on one thread.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from typing import Any

os.environ |= {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def batch(vlm: Any, pictures: int, responses: int) -> Any:
    """`pictures` noise pictures of 128 x 128 pixels, each asked about in `responses` equal rows."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    images = [Image.fromarray(rng.integers(0, 256, (128, 128, 3), np.uint8)) for _ in range(pictures)]
    question = [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Detect red circle, ring."}]}]
    text = vlm.processor.apply_chat_template(question, add_generation_prompt=True)
    rows = [image for image in images for _ in range(responses)]
    return vlm.processor(text=[text] * len(rows), images=rows, padding=True, return_tensors="pt").to(vlm.model.device)


def timed(work: Callable[[], Any]) -> float:
    """CPU seconds of the quicker of two calls."""
    spent = []
    for _ in range(2):
        began = time.process_time()
        work()
        spent.append(time.process_time() - began)
    return min(spent)


def main() -> None:
    """Print one line of JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--pictures", type=int, default=8)
    parser.add_argument("--responses", type=int, default=8)
    parser.add_argument("--model", default="demo-base")
    arguments = parser.parse_args()

    import torch

    from pe.evaluation.vlm import load_vlm

    torch.set_num_threads(1)
    vlm = load_vlm(arguments.model, "cpu")
    inputs = batch(vlm, arguments.pictures, arguments.responses)

    def generate() -> None:
        vlm.model.generate(**inputs, max_new_tokens=32, min_new_tokens=32, do_sample=False)

    def learn() -> None:
        vlm.model.zero_grad()
        vlm.model(**inputs, labels=inputs["input_ids"]).loss.backward()

    once = {"generation": timed(generate), "loss": timed(learn)}
    for module in vlm.model.modules():
        vars(module).pop("get_image_features", None)
    each = {"generation": timed(generate), "loss": timed(learn)}
    ratios = {f"{name}_ratio": round(once[name] / each[name], 2) for name in once}
    print(json.dumps({"pictures": arguments.pictures, "responses": arguments.responses, **ratios}))


if __name__ == "__main__":
    main()
