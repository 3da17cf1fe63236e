"""`pe view`: a contact sheet of an output folder, or the curves and rollouts of a run, as one HTML page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def view(
    out: Annotated[Path, typer.Argument(help="The output folder, or the folder of a run.")],
    output: Annotated[Path | None, typer.Option("--output", "-o", help="The page (OUT/view.html).")] = None,
    limit: Annotated[int, typer.Option(min=0, help="Most samples (rollouts a stage), evenly spread; 0 for all.")] = 200,
    source: Annotated[str | None, typer.Option(help="Only those with this in source or data_source.")] = None,
    phrase: Annotated[str | None, typer.Option(help="Only those with an object of this phrase.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Write a page that shows pictures with boxes, rings, phrases, captions and what was dropped.

    pe view out/

    pe view out/ --phrase cat --limit 50 -o cats.html

    Of a run of `pe train` it shows the curves by data source, and sampled rollouts with the answer over the truth.

    The page opens from disk, filters by phrase and source (also by address: view.html#phrase=cat) and needs no network.
    """
    import json

    from pe.reports.pick import matching, open_output, spread
    from pe.reports.run import is_run
    from pe.reports.sheet import contact_sheet
    from pe.shards.output import write_whole

    if is_run(out):
        _view_run(out, output, limit, source is not None or phrase is not None, as_json)
        return
    folder = open_output(str(out))
    page = _page(output or folder.root / "view.html")
    total = folder.summary()
    narrowed = source is not None or phrase is not None
    samples = matching(folder, limit, source, phrase) if narrowed else spread(folder, limit)
    few = limit and limit < total.samples
    if narrowed:
        which = "".join(
            f", {name} {value}" for name, value in (("source", source), ("phrase", phrase)) if value is not None
        )
        note = f"{f'The first {limit:,}' if few else 'Those'} of {total.samples:,} samples that match{which}"
    elif few:
        note = f"{limit:,} of {total.samples:,} samples, spread over {total.shards:,} shards"
    else:
        note = f"All {total.samples:,} samples of {total.shards:,} shards"
    content, shown = contact_sheet(folder.root.name or "output", note, samples)
    data = content.encode("utf-8")
    write_whole(page, data)
    if as_json:
        result = {"page": str(page), "shown": shown, "samples": total.samples, "shards": total.shards}
        typer.echo(json.dumps(result))
    else:
        typer.echo(f"{page}: {shown:,} of {total.samples:,} samples, {len(data) / 2**20:.1f} MiB")


def _view_run(run: Path, output: Path | None, limit: int, narrowed: bool, as_json: bool) -> None:
    import json

    from pe.errors import InputError
    from pe.reports.run import run_page
    from pe.shards.output import write_whole

    if narrowed:
        raise InputError("--source and --phrase choose samples of an output folder; the page of a run has its own")
    page = _page(output or run / "view.html")
    content, counts = run_page(run, limit)
    data = content.encode("utf-8")
    write_whole(page, data)
    if as_json:
        typer.echo(json.dumps({"page": str(page), **counts}))
    else:
        words = ", ".join(f"{count:,} {name}" for name, count in counts.items())
        typer.echo(f"{page}: {words}, {len(data) / 2**20:.1f} MiB")


def _page(page: Path) -> Path:
    from pe.errors import InputError

    if not page.absolute().parent.is_dir() or page.is_dir():
        raise InputError(f"{page}: name a file in a folder that exists for the page")
    return page
