"""Exports read by the tools that they are for, each in an environment of its own; one JSON line a client.

python benchmarks/clients.py [verl | swift | llama-factory | ultralytics | energon | croissant ...]

Environments stay under build/clients/NAME (several GB each) and are used again. What a client needs is in
client_checks/NAME.txt, what it has to find right in client_checks/check_NAME.py.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parents[1]
CHECKS = Path(__file__).parent / "client_checks"
PLACE = ROOT / "build/clients"
sys.path.insert(0, str(ROOT))

from pe.shards.exports import export  # noqa: E402
from tests.shards.exports import rows  # noqa: E402

# client: (layout, kind of the shards) of each export that it reads
CLIENTS = {
    "verl": (("verl", "rl"),),
    "swift": (("swift", "sft"), ("swift", "rl")),
    "llama-factory": (("llama-factory", "sft"),),
    "ultralytics": (("yolo", "annotated"),),
    "energon": (("energon", "annotated"), ("energon", "rl")),
    "croissant": (("coco", "annotated"), ("hf", "annotated"), ("imagefolder", "annotated"), ("trl", "rl")),
}


def environment(name: str) -> Path:
    """The Python of the client's environment, made where it is not there yet."""
    home = PLACE / name
    python = home / "bin/python"
    if not (home / "ready").exists():
        subprocess.run([sys.executable, "-m", "venv", str(home)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", "-r", str(CHECKS / f"{name}.txt")], check=True)
        (home / "ready").touch()
    return python


def check(name: str) -> dict[str, object]:
    """Export what the client reads, and let it read."""
    since = time.monotonic()
    try:
        python = environment(name)
    except subprocess.CalledProcessError as error:
        return {"client": name, "ok": False, "why": f"does not install: {error}"}
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        for kind in ("annotated", "sft", "rl"):
            if kind == "annotated":
                rows.annotated(home / kind, 6)
            else:
                rows.training(home / kind, kind, 7)
        places = []
        for layout, kind in CLIENTS[name]:
            places.append(home / f"{layout}-{kind}")
            export(home / kind, places[-1], layout)
        words = [str(python), str(CHECKS / f"check_{name.replace('-', '_')}.py"), *map(str, places)]
        done = subprocess.run(words, capture_output=True, text=True, cwd=folder)
    lines = done.stdout.splitlines()
    found = json.loads(lines[-1]) if done.returncode == 0 and lines else {"why": done.stderr[-600:]}
    return {"client": name, "ok": done.returncode == 0, **found, "seconds": round(time.monotonic() - since, 1)}


def main(names: list[str]) -> None:
    """Check the named clients, or all; exit 1 unless all are right."""
    results = []
    for name in names or list(CLIENTS):
        if name not in CLIENTS:
            raise SystemExit(f"no client is called {name!r} (known: {', '.join(CLIENTS)})")
        results.append(check(name))
        print(json.dumps(results[-1]), flush=True)
    raise SystemExit(0 if all(result["ok"] for result in results) else 1)


if __name__ == "__main__":
    main(sys.argv[1:])
