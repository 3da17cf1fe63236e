"""An OpenAI-compatible server whose answers are right as often as the question asks for.

The question ends with "p=0.25 greedy=0": a share of the seeds that is answered rightly, and whether temperature 0 is.
Run as a process of its own; it prints its port. GET /stats has what was asked.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.evaluation.rollouts import HALF, RIGHT

STATS: dict[str, Any] = {"asked": [], "bodies": []}
LOCK = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def send(self, status: int, value: Any) -> None:
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        if self.path == "/stats":
            with LOCK:
                self.send(200, STATS)
                STATS.update(asked=[], bodies=[])
        else:
            self.send(200, {"data": [{"id": "only-model"}]})

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        parts = body["messages"][-1]["content"]
        text = " ".join(part["text"] for part in parts if part["type"] == "text")
        uri = next(part["image_url"]["url"] for part in parts if part["type"] == "image_url")
        with LOCK:
            STATS["asked"].append([text, body["seed"], body["temperature"]])
            STATS["bodies"].append({name: value for name, value in body.items() if name != "messages"})
        time.sleep(0.03 if body["model"] == "slow" else 0)
        if body["model"] == "down":
            self.send(503, {})
        elif "refuse" in text and len(uri) > 4000:
            self.send(400, {"error": {"message": "no such picture"}})
        else:
            self.send(200, answer(text, body))


def answer(text: str, body: dict[str, Any]) -> dict[str, Any]:
    share, greedy = re.findall(r"p=([\d.]+) greedy=(\d)", text)[0] if "p=" in text else ("1", "1")
    dice = int.from_bytes(hashlib.sha256(f"{text}{body['seed']}".encode()).digest()[:4], "big") / 2**32
    right = greedy == "1" if body["temperature"] == 0 else dice < float(share)
    content = (RIGHT if right else HALF if "half" in text else "nothing") + "<|im_end|>"
    choice = {"index": 0, "message": {"role": "assistant", "content": content}, "finish_reason": "stop"}
    if "long" in text:
        choice["finish_reason"] = "length"
    return {"choices": [choice], "usage": {"completion_tokens": 7}}


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    server.handle_error = lambda *_: None  # type: ignore[method-assign]  # clients are killed in the middle
    print(server.server_address[1], flush=True)
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    server.serve_forever()
