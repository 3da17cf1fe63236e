"""Model weights: known ones by short name, where they are kept, fetched when absent, checked before use."""

from __future__ import annotations

import difflib
import fcntl
import hashlib
import http.client
import importlib.util
import json
import logging
import os
import re
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from pe.annotators.base import ModelInfo
from pe.errors import DiskError, MissingExtra, ModelError

log = logging.getLogger("pe")

ASSETS = Path(__file__).parents[1] / "assets"
_HUB_FILES = ("*.json", "*.txt", "*.model", "*.safetensors", "README.md")
_SUFFIXES = (".pth", ".pt", ".safetensors", ".onnx", ".bin")
# Buffers that older versions of a library saved and newer ones compute, and parts that no forward pass reads.
HARMLESS = (r"position_ids$", r"relative_position_index$", r"^bert\.pooler\.", r"^label_enc\.")


@dataclass(frozen=True, slots=True)
class Known:
    """One entry of checkpoints.yaml; unknown fields are empty."""

    name: str
    kind: str
    adapters: tuple[str, ...]
    asset: str = ""
    file: str = ""
    url: str = ""
    hub: str = ""
    revision: str = ""
    bytes: int = 0
    sha256: str = ""
    license: str = ""
    needs: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """Weights on this machine: a file or a folder, and who they are."""

    path: Path
    info: ModelInfo


@cache
def known_checkpoints() -> tuple[Known, ...]:
    """Every entry of checkpoints.yaml, in its order."""
    entries = yaml.safe_load(Path(__file__).with_suffix(".yaml").read_bytes())
    lists = ("adapters", "needs")
    return tuple(Known(**{**entry, **{key: tuple(entry.get(key, ())) for key in lists}}) for entry in entries)


def cache_dir() -> Path:
    """Where `pe` keeps downloads: $PE_CACHE, else ~/.cache/pe."""
    return Path(os.environ.get("PE_CACHE") or "~/.cache/pe").expanduser()


def offline() -> bool:
    """Whether PE_OFFLINE or HF_HUB_OFFLINE forbids the network."""
    words = (os.environ.get(name, "") for name in ("PE_OFFLINE", "HF_HUB_OFFLINE"))
    return any(word.lower() in ("1", "true", "yes", "on") for word in words)


def resolve(adapter: str, word: str) -> Checkpoint:
    """The weights that `word` means to `adapter`: a short name, a path, or a hub id (ORG/NAME or ORG/NAME@REVISION).

    What is known and absent is fetched unless `offline()`. Raises ModelError, one line that says what to fetch and
    where it belongs, when that is not possible, for an unknown word and for bytes that are not the published ones.
    """
    if not word:
        raise ModelError(f"adapter {adapter}: no model is named")
    for known in known_checkpoints():
        if word in (known.name, known.hub):
            if adapter not in known.adapters:
                raise ModelError(f"{known.name} is a {known.kind} of {' and '.join(known.adapters)}, not of {adapter}")
            if word == known.name or not Path(word).exists():
                return _resolve_known(adapter, known)
    path = Path(word).expanduser()
    if path.exists():
        return Checkpoint(path, _local_info(adapter, path))
    if path.suffix.lower() in _SUFFIXES or word.startswith(("/", ".", "~")):
        raise ModelError(f"{word}: no such file or folder")
    repo, _, revision = word.partition("@")
    if re.fullmatch(r"[\w.-]+/[\w.-]+", repo):
        return _resolve_hub(adapter, Known(name=repo, kind="model", adapters=(), hub=repo, revision=revision))
    names = [known.name for known in known_checkpoints() if adapter in known.adapters]
    near = difflib.get_close_matches(word, names, n=1)
    hint = f"; did you mean {near[0]}?" if near else ""
    listed = ", ".join(names) or "none"
    raise ModelError(f"{word!r} is no path, hub id or known model of {adapter}{hint} (known: {listed})")


def where(known: Known) -> Path | None:
    """Where a known checkpoint already is on this machine, or None; no network."""
    if known.asset:
        folder = ASSETS / known.asset
        return folder if _weights(folder) else None
    home = cache_dir() / "checkpoints" / (known.file or known.name)
    if home.exists():
        return home
    return _snapshot(known, download=False) if known.hub else None


def shipped(word: str) -> Path | None:
    """The folder of a model that ships with pe by this name, or None."""
    return next((ASSETS / known.asset for known in known_checkpoints() if known.asset and known.name == word), None)


def _resolve_known(adapter: str, known: Known) -> Checkpoint:
    if known.asset:
        return _resolve_asset(adapter, known)
    if known.hub:
        return _resolve_hub(adapter, known)
    path = cache_dir() / "checkpoints" / known.file
    if not path.exists():
        with _locked(path):
            if not path.exists():
                _download(known, path)
    elif known.sha256 and file_sha256(path) != known.sha256:
        raise ModelError(
            f"{path}: not the published {known.name} (its sha256 should be {known.sha256}): "
            f"delete it and fetch {known.url} again"
        )
    return Checkpoint(path, ModelInfo(adapter, known.name, known.revision, known.sha256, known.license))


def _resolve_asset(adapter: str, known: Known) -> Checkpoint:
    folder = where(known)
    if folder is None:
        raise ModelError(f"{known.name} is not in this copy of pe: 'make demo-models' in its repository trains it")
    return Checkpoint(folder, ModelInfo(adapter, known.name, "", weights_sha256(folder), known.license))


def _resolve_hub(adapter: str, known: Known) -> Checkpoint:
    home = cache_dir() / "checkpoints" / known.name
    if home.is_dir():
        folder: Path | None = home
    else:
        folder = _snapshot(known, download=False) or (None if offline() else _snapshot(known, download=True))
    if folder is None:
        raise ModelError(_absent(known, home, "offline"))
    revision = folder.name if re.fullmatch(r"[0-9a-f]{40}", folder.name) else known.revision
    sha256 = "" if known.needs else weights_sha256(folder)
    if known.sha256 and sha256 != known.sha256:
        raise ModelError(f"{folder}: not the published {known.hub} (its sha256 should be {known.sha256}); delete it")
    return Checkpoint(folder, ModelInfo(adapter, known.hub, revision, sha256, known.license or _card_license(folder)))


def _absent(known: Known, home: Path, reason: str) -> str:
    """The one line for weights that are not here: what to fetch, how large, its digest, where it belongs."""
    facts = [f"{known.bytes / 1e6:,.0f} MB"] if known.bytes else []
    facts += [f"sha256 {known.sha256}"] if known.sha256 else []
    about = f" ({', '.join(facts)})" if facts else ""
    # A model that somebody named is wanted itself; the known ones may stand in the way of a first try.
    instead = "; to try the chain without it: --preset demo" if known.kind in ("detector", "segmenter", "text") else ""
    if known.url:
        return f"{known.name} is not on this machine ({reason}): fetch {known.url}{about} to {home}{instead}"
    files = "".join(f" {name}" for name in known.needs)
    revision = f" --revision {known.revision}" if known.revision else ""
    return (
        f"{known.hub} is not on this machine ({reason}): with a network, run "
        f"'hf download {known.hub}{files}{revision}'{about}, or put its files into {home}{instead}"
    )


def _snapshot(known: Known, *, download: bool) -> Path | None:
    """The repository's folder in the Hugging Face cache when its weights are there, fetched first with `download`."""
    if importlib.util.find_spec("huggingface_hub") is None:
        if download:
            raise MissingExtra(f"fetching {known.hub}", "models")
        return None
    import huggingface_hub

    patterns = list(known.needs or _HUB_FILES)
    if download:
        _require_network(known, huggingface_hub.constants.ENDPOINT)
        log.info("fetching %s from the Hugging Face hub (%s)", known.hub, _size(known.bytes))
    try:
        folder = Path(
            huggingface_hub.snapshot_download(
                known.hub, revision=known.revision or None, allow_patterns=patterns, local_files_only=not download
            )
        )
    except Exception as error:  # its classes differ between versions; every one of them means "not there"
        if download:
            home = cache_dir() / "checkpoints" / known.name
            reason = (str(error).strip().splitlines() or [type(error).__name__])[0][:200]
            raise ModelError(_absent(known, home, reason)) from error
        return None
    whole = all((folder / name).exists() for name in known.needs) if known.needs else bool(_weights(folder))
    if download and not whole:
        raise ModelError(f"{known.hub}: the repository has no weights as .safetensors")
    return folder if whole else None


def _require_network(known: Known, address: str) -> None:
    """ModelError at once when nothing answers there: the hub's own client tries for half a minute and logs each try."""
    try:
        urllib.request.urlopen(urllib.request.Request(address, method="HEAD"), timeout=10).close()  # noqa: S310
    except urllib.error.HTTPError:
        return
    except OSError as error:
        reason = str(getattr(error, "reason", error))
        raise ModelError(_absent(known, cache_dir() / "checkpoints" / known.name, reason)) from error


def _download(known: Known, path: Path) -> None:
    if offline():
        raise ModelError(_absent(known, path, "offline"))
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")
    digest = hashlib.sha256()
    done = 0
    log.info("fetching %s: %s (%s) to %s", known.name, known.url, _size(known.bytes), path)
    try:
        # The addresses are those of checkpoints.yaml, all https.
        request = urllib.request.Request(known.url, headers={"User-Agent": "perception-engines"})  # noqa: S310
        with urllib.request.urlopen(request, timeout=60) as reply, partial.open("wb") as out:  # noqa: S310
            while chunk := reply.read(1 << 20):
                out.write(chunk)
                digest.update(chunk)
                before, done = done, done + len(chunk)
                if known.bytes and done * 10 // known.bytes > before * 10 // known.bytes:
                    log.info("fetching %s: %d %%", known.name, 100 * done // known.bytes)
            out.flush()
            os.fsync(out.fileno())
        if known.sha256 and digest.hexdigest() != known.sha256:
            raise ModelError(f"{known.url}: got {done} bytes with sha256 {digest.hexdigest()}, not {known.sha256}")
        partial.replace(path)
    except urllib.error.URLError as error:
        raise ModelError(_absent(known, path, f"the download failed: {error.reason}")) from error
    except (TimeoutError, ConnectionError, http.client.HTTPException) as error:
        raise ModelError(_absent(known, path, f"the download failed: {error}")) from error
    except OSError as error:
        raise DiskError(f"{path}: {error.strerror or error}") from error
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _locked(path: Path) -> Iterator[None]:
    """One process fetches, the others wait for it."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.with_name(f".{path.name}.lock").open("w") as stream:
            fcntl.flock(stream, fcntl.LOCK_EX)
            yield
    except OSError as error:
        raise DiskError(f"{path.parent}: {error.strerror or error}") from error


def _size(count: int) -> str:
    return f"{count / 1e6:,.0f} MB" if count else "size unknown"


def _weights(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.safetensors"))


def _local_info(adapter: str, path: Path) -> ModelInfo:
    if path.is_dir():
        return ModelInfo(adapter, path.resolve().name, "", weights_sha256(path), _card_license(path))
    sha256 = file_sha256(path)
    for known in known_checkpoints():
        if known.sha256 == sha256:
            return ModelInfo(adapter, known.name, known.revision, sha256, known.license)
    return ModelInfo(adapter, path.name, "", sha256)


def _card_license(folder: Path) -> str:
    """The `license` of a model card's front matter, or ""."""
    try:
        text = (folder / "README.md").read_text("utf-8", "replace")
        front = re.match(r"---\n(.*?)\n---", text, re.DOTALL)
        licence = yaml.safe_load(front[1]).get("license", "") if front else ""
    except (OSError, yaml.YAMLError, AttributeError):
        return ""
    return licence if isinstance(licence, str) else ""


def weights_sha256(folder: Path) -> str:
    """The SHA-256 of a folder's one .safetensors file; of several, of their names and digests; "" of none."""
    files = _weights(folder)
    if len(files) == 1:
        return file_sha256(files[0])
    lines = "".join(f"{file.name} {file_sha256(file)}\n" for file in files)
    return hashlib.sha256(lines.encode()).hexdigest() if files else ""


def file_sha256(path: Path) -> str:
    """The SHA-256 of a file; kept in the cache folder by path, size and time, so that it is read once."""
    stat = path.stat()
    key = f"{path.resolve()}:{stat.st_size}:{stat.st_mtime_ns}:{stat.st_ino}"
    store = cache_dir() / "sha256" / f"{hashlib.sha256(key.encode()).hexdigest()[:32]}.json"
    try:
        kept = json.loads(store.read_bytes())
        if kept["key"] == key:
            return str(kept["sha256"])
    except (OSError, ValueError, TypeError, KeyError):
        pass
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    try:
        store.parent.mkdir(parents=True, exist_ok=True)
        partial = store.with_suffix(f".{os.getpid()}.part")
        partial.write_text(json.dumps({"key": key, "sha256": sha256}))
        partial.replace(store)
    except OSError:
        pass  # a cache that cannot be written is only slower
    return sha256


def read_weights(path: Path) -> dict[str, Any]:
    """Tensors by name from a .safetensors, or from a torch file with weights alone (nothing in it is executed).

    A wrapping {"model": ...} or {"state_dict": ...} and the "module." of distributed training are taken off.
    """
    import pickle

    import torch
    from safetensors.torch import load_file

    try:
        if path.suffix.lower() == ".safetensors":
            return dict(load_file(path))
        state = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError as error:
        raise ModelError(f"{path}: no such file") from error
    except pickle.UnpicklingError as error:
        raise ModelError(
            f"{path}: holds more than weights (or is damaged), and nothing else is loaded: save its state dict "
            "as .safetensors"
        ) from error
    except Exception as error:  # damaged bytes make the readers raise anything, KeyError included
        reason = (str(error).splitlines() or [""])[0][:200]
        raise ModelError(f"{path}: damaged or not a checkpoint: {type(error).__name__} {reason}") from error
    for key in ("model", "state_dict"):
        if isinstance(state, dict) and isinstance(state.get(key), dict):
            state = state[key]
            break
    if not isinstance(state, dict) or not state or not all(isinstance(item, torch.Tensor) for item in state.values()):
        raise ModelError(f"{path}: not a state dict of tensors")
    return {str(name).removeprefix("module."): tensor for name, tensor in state.items()}


def load_state(module: Any, state: Mapping[str, Any], name: str, harmless: Sequence[str] = HARMLESS) -> None:
    """Load `state` into the torch `module`, all of it or nothing.

    Raises ModelError with counts and first names when a parameter is missing, left over or of another shape; names
    that match a regex of `harmless` may be missing or left over. Shared parameters may be saved once.
    """
    import torch

    own: dict[str, Any] = module.state_dict(keep_vars=True)
    shared: dict[tuple[int, tuple[int, ...]], list[str]] = {}
    for key, tensor in own.items():
        shared.setdefault((tensor.data_ptr(), tuple(tensor.shape)), []).append(key)
    full = dict(state)
    conflicting = []
    for keys in shared.values():
        present = [key for key in keys if key in state]
        if present and len(keys) > 1:
            conflicting += [key for key in present if not torch.equal(state[key], state[present[0]])]
            full.update(dict.fromkeys(keys, state[present[0]]))
    check_keys(
        name,
        missing=[key for key in own if key not in full],
        unexpected=[key for key in full if key not in own],
        mismatched=[key for key in own if key in full and tuple(full[key].shape) != tuple(own[key].shape)]
        + conflicting,
        harmless=harmless,
    )
    module.load_state_dict({key: tensor for key, tensor in full.items() if key in own}, strict=False)


def check_keys(
    name: str,
    *,
    missing: Iterable[str],
    unexpected: Iterable[str],
    mismatched: Iterable[str],
    harmless: Sequence[str] = HARMLESS,
) -> None:
    """Raise ModelError unless all keys of a checkpoint and a model match, but for `harmless` regexes."""

    def serious(keys: Iterable[str]) -> list[str]:
        return sorted(key for key in keys if not any(re.search(pattern, key) for pattern in harmless))

    groups = {"missing": serious(missing), "left over": serious(unexpected), "of another shape": sorted(mismatched)}
    problems = [f"{len(keys)} {what} ({', '.join(keys[:3])})" for what, keys in groups.items() if keys]
    if problems:
        raise ModelError(f"{name}: the weights do not fit the model: {'; '.join(problems)}")
