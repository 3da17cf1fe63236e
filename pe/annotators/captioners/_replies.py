"""Model replies kept on disk, so that a killed run neither pays twice nor gets other words the second time."""

from __future__ import annotations

import hashlib
import json
import os
import threading
from pathlib import Path
from typing import Any

from pe.errors import DiskError
from pe.schemas.sample import dumps


class Replies:
    """A folder of replies by the SHA-256 of the request; with no folder nothing is kept."""

    def __init__(self, folder: str) -> None:
        self._folder = Path(folder) if folder else None
        if self._folder:
            for stale in self._folder.glob("*/*.part"):
                if not _alive(int(stale.suffixes[-2][1:].partition("-")[0])):
                    stale.unlink(missing_ok=True)

    def get(self, request: dict[str, Any]) -> dict[str, Any] | None:
        """The reply kept for `request`, or None; a damaged one counts as none."""
        path = self._path(request)
        try:
            kept = json.loads(path.read_bytes()) if path else None
        except (OSError, ValueError):
            return None
        return kept["reply"] if isinstance(kept, dict) and isinstance(kept.get("reply"), dict) else None

    def put(self, request: dict[str, Any], reply: dict[str, Any]) -> None:
        """Keep `reply`, whole or not at all. Raises DiskError when it cannot be written."""
        path = self._path(request)
        if path is None:
            return
        partial = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}.part")
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            partial.write_text(dumps({"reply": reply}), "utf-8", "backslashreplace")
            partial.replace(path)
        except OSError as error:
            raise DiskError(f"{path.parent}: a reply cannot be kept: {error.strerror or error}") from error

    def _path(self, request: dict[str, Any]) -> Path | None:
        if self._folder is None:
            return None
        key = hashlib.sha256(json.dumps(request, sort_keys=True).encode()).hexdigest()
        return self._folder / key[:2] / f"{key}.json"


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True
