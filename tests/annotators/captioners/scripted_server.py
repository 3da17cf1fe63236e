"""An OpenAI-compatible server that misbehaves on demand: the model's name says how.

Run as a process of its own, with a port or without; it prints its port.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import socket
import struct
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

GRAY_LIMIT = 4000  # bytes of a data URI: the plain gray picture is smaller than the tests' noise
STATS: dict[str, Any] = {"requests": 0, "now": 0, "most": 0, "times": [], "bodies": [], "keys": []}
LOCK = threading.Lock()


def reply(text: Any, **more: Any) -> bytes:
    message = {"role": "assistant", "content": text, **more.pop("message", {})}
    return json.dumps({"choices": [{"index": 0, "message": message, "finish_reason": "stop", **more}]}).encode()


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *args: Any) -> None:
        pass

    def send(self, status: int, body: bytes, **headers: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        if self.path == "/stats":
            with LOCK:
                self.send(200, json.dumps(STATS).encode())
                STATS.update(requests=0, most=0, times=[], bodies=[], keys=[])
            return
        names = {"/one/models": ["/srv/only-model"], "/two/models": ["a/b", "c/d"]}.get(self.path)
        self.send(200 if names else 500, json.dumps({"data": [{"id": name} for name in names or []]}).encode())

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with LOCK:
            STATS["requests"] += 1
            STATS["now"] += 1
            STATS["most"] = max(STATS["most"], STATS["now"])
            STATS["times"].append(time.monotonic())
            STATS["bodies"].append({name: body[name] for name in body if name != "messages"})
            STATS["keys"].append(self.headers["Authorization"])
            count = STATS["requests"]
        try:
            self.answer(body, count)
        finally:
            with LOCK:
                STATS["now"] -= 1

    def answer(self, body: dict[str, Any], count: int) -> None:
        image, question = body["messages"][0]["content"]
        uri = image["image_url"]["url"]
        data = base64.b64decode(uri.partition(",")[2])
        good = reply(f"{uri.partition(';')[0]} {hashlib.sha256(data).hexdigest()[:8]} {question['text'][:30]}")
        model = body["model"]
        if model == "busy" and count <= 2:
            self.send(429, b'{"error":{"message":"slow down"}}', Retry_After="0.3")
        elif model == "flaky" and count <= 2:
            self.send(500, b"oops")
        elif model == "down" or (model == "poison" and len(uri) > GRAY_LIMIT):
            self.send(500, b'{"error":{"message":"boom"}}')
        elif model == "overloaded":
            self.send(503, b"")
        elif model == "blind" or (model == "picky" and len(uri) > GRAY_LIMIT):
            self.send(400, b'{"error":{"message":"no such picture"}}')
        elif model.startswith("status-"):
            self.send(int(model[7:]), b'{"error":{"message":"no"}}', Location="http://127.0.0.1:9/")
        elif model == "garbage":
            self.send(200, b"<html>hello</html>")
        elif model == "nested":
            self.send(200, b"[" * 100_000)
        elif model == "shapeless":
            self.send(200, b'{"choices": []}')
        elif model == "huge":
            self.send(200, reply("x" * 5_000_000))
        elif model == "long":
            self.send(200, reply("A dog. " * 50_000))
        elif model == "reset" and count <= 2:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.connection.close()
            self.close_connection = True
        elif model == "cut" and count <= 2:
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{")
            self.close_connection = True
        elif model == "drip":
            self.wfile.write(b"HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n")
            for _ in range(30):
                self.wfile.write(b" ")
                time.sleep(0.1)
            self.close_connection = True
        elif model == "silent":
            time.sleep(3)
            self.close_connection = True
        elif model == "refusing":
            self.send(200, reply(None, message={"refusal": "not this one"}))
        elif model == "empty":
            self.send(200, reply(" \u200b\n"))
        elif model == "dirty":
            self.send(200, reply("<think>hm</think>\tA\x00 dog\u202e\n\n on  a\ud800 mat."))
        elif model == "cutoff":
            self.send(200, reply("A dog on a mat. It is looking at th", finish_reason="length"))
        else:
            time.sleep(0.2 if model == "slow" else 0)
            self.send(200, good)


if __name__ == "__main__":
    server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 0), Handler)
    server.daemon_threads = True
    print(server.server_address[1], flush=True)
    threading.Thread(target=lambda: (sys.stdin.read(), os._exit(0)), daemon=True).start()
    server.serve_forever()
