"""A page as a real browser shows it."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

_BROWSERS = ("chromium", "chromium-browser", "google-chrome")
_FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--allow-file-access-from-files",
    "--virtual-time-budget=20000",
)


def browse(page: Path, fragment: str, tmp_path: Path, script: str) -> dict[str, Any]:
    """What `script` returns: a second page holds `page` in a frame and runs it.

    The script sees `frame`, the element, and `inside`, its document, when all pictures are there.
    """
    browser = next(filter(None, map(shutil.which, _BROWSERS)), None)
    if browser is None:
        pytest.skip(f"none of {', '.join(_BROWSERS)} is installed")
    probe = tmp_path / "probe.html"
    probe.write_text(
        f"""<!doctype html><meta charset="utf-8"><iframe id="frame" width="1200" height="900"></iframe>
<pre id="result"></pre>
<script>
const frame = document.getElementById("frame");
const look = async (inside) => {{
  {script}
}};
frame.onload = async () => {{
  const inside = frame.contentDocument;
  await Promise.all([...inside.images].map((image) => image.complete ? 0 : new Promise((done) => {{
    image.addEventListener("load", done); image.addEventListener("error", done);
  }})));
  document.getElementById("result").textContent = JSON.stringify(await look(inside));
}};
frame.src = {json.dumps(page.as_uri() + fragment)};
</script>""",
        "utf-8",
    )
    command = [browser, *_FLAGS, f"--user-data-dir={tmp_path / 'profile'}", "--dump-dom", probe.as_uri()]
    done = subprocess.run(command, capture_output=True, text=True, timeout=100, check=False)
    match = re.search(r'<pre id="result">(.+?)</pre>', done.stdout, re.DOTALL)
    assert match, f"the page did not answer: {done.stderr[-400:]}"
    text = match[1].replace("&lt;", "<").replace("&gt;", ">").replace("&nbsp;", " ").replace("&amp;", "&")
    return json.loads(text)
