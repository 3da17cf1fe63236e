"""Croissant 1.1: what is in a set, as JSON-LD. https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html"""

from __future__ import annotations

import hashlib
import mimetypes
from pathlib import Path
from typing import Any

from pe import __version__
from pe.shards.exports._base import Export, Table
from pe.shards.exports._facts import Facts

_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "extract": "cr:extract",
    "field": "cr:field",
    "fileProperty": "cr:fileProperty",
    "fileObject": "cr:fileObject",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
}
# One of them a sample, at least: they are no rows of the list of files.
_MANY = (".jpg", ".png", ".webp", ".txt")
_TYPES = {".parquet": "application/x-parquet", ".jsonl": "application/jsonlines", ".yaml": "application/yaml"}


def croissant(name: str, url: str, creator: str, date: str, export: Export, facts: Facts) -> dict[str, Any]:
    """The content of croissant.json; every file but pictures and YOLO labels is listed with its size and sha256.

    Without a `url` the set is named by a digest of these files.
    """
    files = sorted(path for path in export.out.rglob("*") if path.suffix not in _MANY and path.is_file())
    objects = [_file_object(path, export.out) for path in files]
    digest = hashlib.sha256("".join(item["sha256"] for item in objects).encode()).hexdigest()
    distribution: list[dict[str, Any]] = list(objects)
    records: list[dict[str, Any]] = []
    if export.images:
        globs = [f"{export.images}/*{suffix}" for suffix in _MANY[:3]]
        distribution.append(_file_set("pictures", globs, "image/jpeg"))
        records.append(_pictures())
    for number, table in enumerate(export.tables()):
        place = f"files-{number}"
        distribution.append(_file_set(place, table.files, table.encoding))
        if table.columns:
            records.append(_records(f"rows-{number}" if number else "rows", place, table))
    return {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": "http://mlcommons.org/croissant/1.1",
        "name": name,
        "description": f"{facts.samples} {facts.kind} samples, split {export.split}, from "
        + ", ".join(sorted(facts.sources)[:20]),
        "license": [*sorted(facts.licences)][:100],
        "url": url or f"urn:sha256:{digest}",
        "creator": {"@type": "sc:Organization", "name": creator or "not stated"},
        "datePublished": date,
        "version": "1.0.0",
        "keywords": ["perception", facts.kind],
        "sdPublisher": {"@type": "sc:Organization", "name": f"pe {__version__}"},
        "distribution": distribution,
        "recordSet": records,
    }


def _file_object(path: Path, root: Path) -> dict[str, Any]:
    name = path.relative_to(root).as_posix()
    with path.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    return {
        "@type": "cr:FileObject",
        "@id": name,
        "name": name,
        "contentUrl": name,
        "contentSize": f"{path.stat().st_size} B",
        "encodingFormat": _TYPES.get(path.suffix) or mimetypes.guess_type(name)[0] or "application/octet-stream",
        "sha256": digest,
    }


def _file_set(place: str, files: str | list[str], encoding: str) -> dict[str, Any]:
    return {"@type": "cr:FileSet", "@id": place, "name": place, "includes": files, "encodingFormat": encoding}


def _pictures() -> dict[str, Any]:
    fields = [("filename", "sc:Text", "filename"), ("content", "sc:ImageObject", "content")]
    return {
        "@type": "cr:RecordSet",
        "@id": "pictures-records",
        "name": "pictures",
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"pictures-records/{name}",
                "name": name,
                "dataType": kind,
                "source": {"fileSet": {"@id": "pictures"}, "extract": {"fileProperty": what}},
            }
            for name, kind, what in fields
        ],
    }


def _records(name: str, place: str, table: Table) -> dict[str, Any]:
    def source(column: str, kind: str) -> dict[str, Any]:
        extract = {"jsonPath": f"{table.path}.{column}"} if table.path else {"column": column}
        found = {"fileSet": {"@id": place}, "extract": extract}
        # A picture in a column is a struct {bytes, path}.
        return {**found, "transform": {"jsonPath": "bytes"}} if kind == "sc:ImageObject" else found

    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{name}/{column}",
                "name": column,
                "dataType": kind,
                "source": source(column, kind),
            }
            for column, kind in table.columns.items()
        ],
    }
