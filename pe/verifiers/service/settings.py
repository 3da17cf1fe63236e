"""What `pe serve` can be told, and who may call it."""

from __future__ import annotations

import ipaddress
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from pe.errors import InputError

JudgeIou = Literal["average", "dynamic"] | Annotated[float, Field(ge=0, le=1)]
TOKEN_VARIABLE = "PE_SERVE_TOKEN"  # noqa: S105 (its name, not its value)


class ServeSettings(BaseModel):
    """The settings of `pe serve`.

    `time_limit` is seconds a request is worked on, `stop_limit` those that are left for what is in flight after
    SIGTERM, `body_limit` MiB of a request. `judge_iou` is the IoU threshold of /judge's detection, in V-Triune's server
    the variable DET_IOU_THRESHOLD: the mean over eleven, the one that rises with progress, or a number.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    host: str = "127.0.0.1"
    port: int = Field(8400, ge=0, le=65535)
    workers: int = Field(2, ge=1, le=1024)
    token_file: Path | None = None
    time_limit: float = Field(30.0, gt=0, le=3600)
    stop_limit: int = Field(30, ge=1, le=3600)
    body_limit: int = Field(16, ge=1, le=256)
    judge_iou: JudgeIou = "average"


def is_loopback(host: str) -> bool:
    """Whether `host` (a name or an address) can only be this machine."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def read_token(token_file: Path | None, environ: Mapping[str, str] = os.environ) -> str:
    """The token that callers must send, from a file or else PE_SERVE_TOKEN; "" where there is neither.

    Raises InputError for a file that cannot be read and for a token that no header can carry.
    """
    where = str(token_file) if token_file else TOKEN_VARIABLE
    try:
        token = (token_file.read_text("utf-8") if token_file else environ.get(TOKEN_VARIABLE, "")).strip()
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{where}: the token cannot be read: {type(error).__name__}") from None
    if token_file and not token:
        raise InputError(f"{where}: the file is empty; write a token into it")
    if not token.isascii() or not all(33 <= ord(char) <= 126 for char in token):
        raise InputError(f"{where}: a token is printable ASCII without spaces")
    return token
