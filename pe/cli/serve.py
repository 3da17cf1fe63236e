"""`pe serve`: verifiers over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def serve(
    host: Annotated[str | None, typer.Option(help="The address; any but this machine's own needs a token.")] = None,
    port: Annotated[int | None, typer.Option(help="The port, 0 for any that is free (8400).")] = None,
    workers: Annotated[int | None, typer.Option(help="Processes that score (2).")] = None,
    token_file: Annotated[Path | None, typer.Option(help="Holds the token (else PE_SERVE_TOKEN).")] = None,
    time_limit: Annotated[float | None, typer.Option(help="Seconds for one request (30).")] = None,
    stop_limit: Annotated[int | None, typer.Option(help="Seconds for what is in flight at the end (30).")] = None,
    body_limit: Annotated[int | None, typer.Option(help="Most MiB of a request (16).")] = None,
    judge_iou: Annotated[
        str | None, typer.Option(help="IoU threshold of /judge: average, dynamic or a number (average).")
    ] = None,
) -> None:
    """Score responses over HTTP: POST /score, V-Triune's POST /judge, GET /health, GET /metrics.

    pe serve --workers 8

    PE_SERVE_TOKEN=$(openssl rand -hex 32) pe serve --host 0.0.0.0 --workers 8

    SIGTERM stops it: what is in flight is finished, and nothing new is taken.
    """
    from pe.registry import require
    from pe.schemas.settings import load_settings

    require("pe serve", "serve", "fastapi", "uvicorn", "prometheus_client")
    from pe.verifiers.service.app import serve as run
    from pe.verifiers.service.settings import ServeSettings, read_token

    flags = {
        "host": host,
        "port": port,
        "workers": workers,
        "token_file": token_file,
        "time_limit": time_limit,
        "stop_limit": stop_limit,
        "body_limit": body_limit,
        "judge_iou": judge_iou,
    }
    settings = load_settings(ServeSettings, "serve", flags)
    run(settings, read_token(settings.token_file), lambda line: typer.echo(line, err=True))
