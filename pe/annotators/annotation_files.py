"""Annotation files (COCO, LVIS, YOLO) as one structure: pictures by name, each with its annotations and negatives."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import NamedTuple

# Rings of x, y, x, y ..., or the bytes of COCO's compressed RLE, or nothing.
Segmentation = tuple["array[float]", ...] | bytes | None


@dataclass(frozen=True, slots=True)
class Annotation:
    """One annotated object. `box` is x0, y0, x1, y1; it and polygons are in pixels, or in fractions of the picture's
    width and height when the image says `fractions`. `id` is unique within its image."""

    id: str
    category: str
    box: tuple[float, float, float, float]
    segmentation: Segmentation = None
    crowd: bool = False


@dataclass(slots=True)
class AnnotatedImage:
    """One picture of an annotation file. `width` and `height` are 0 where the file does not say.

    `negatives` holds the categories known to be absent; None means every category of the file that the picture lacks.
    Of those in `not_exhaustive` not every object is annotated.
    """

    name: str
    width: int = 0
    height: int = 0
    fractions: bool = False
    annotations: list[Annotation] = field(default_factory=list)
    negatives: list[str] | None = None
    not_exhaustive: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class Named:
    """An image under one of the names it goes by: POSIX path parts, the last without its suffix in `stem`."""

    parents: tuple[str, ...]
    stem: str
    suffix: str
    image: AnnotatedImage


class _Fit(NamedTuple):
    """How well a source's name fits a picture's: `name` is 2 for the same, 1 with another suffix, 0 for a COCO id."""

    name: int
    agrees: bool
    depth: int
    whole: bool


_NO_FIT = _Fit(-1, False, 0, False)


class AnnotationFile:
    """What an annotation file says, and which of its pictures a source path means."""

    def __init__(
        self,
        path: Path,
        sha256: str,
        categories: Iterable[str],
        images: Iterable[tuple[AnnotatedImage, Iterable[str]]],
        licence: str = "",
        ids: dict[int, AnnotatedImage] | None = None,
    ) -> None:
        """`ids` are those that the file itself gives its pictures; one that is also the twelve digits of the picture's
        name is a COCO id."""
        self.path = path
        self.sha256 = sha256
        self.license = licence
        self.categories = list(dict.fromkeys(categories))
        self.images: list[AnnotatedImage] = []
        self._coco_ids: dict[int, AnnotatedImage] = {}
        self._by_stem: dict[str, list[Named]] = {}
        for image, names in images:
            self.images.append(image)
            for parents, stem, suffix in dict.fromkeys(_split(name) for name in names):
                self._by_stem.setdefault(stem, []).append(Named(parents, stem, suffix, image))
                if (number := _coco_id(stem)) is not None and (ids or {}).get(number) is image:
                    self._coco_ids[number] = image
        folders = {named.parents for group in self._by_stem.values() for named in group if named.parents}
        self._one_folder = len(folders) <= 1

    def find(self, source: str) -> list[AnnotatedImage]:
        """The pictures that `source` (a relative path, "tar#member" too) can mean: one, none, or several of one name.

        The path must agree with the file's as far as both go ("val/1.jpg" is not "train/1.jpg"); where all pictures of
        the file share one folder, that folder's name does not matter. A suffix that differs (a converted picture) is
        accepted when no name fits exactly, and so are the twelve digits that COCO names pictures by.
        """
        return self._find(source)[0]

    def claims(self, sources: Iterable[str]) -> list[tuple[AnnotatedImage, list[str], list[str]]]:
        """(picture, the `sources` that mean it, those that mean it less than these do), for all that any means.

        A source gives way to one that fits as well in all (folders, suffix, whole path) and better in something. One
        from another folder than the file's gives way wherever any source lies in the file's: the picture may be missing
        there.
        """
        claims: dict[int, list[tuple[_Fit, str]]] = {}
        for source in sources:
            images, fit = self._find(source)
            for image in images:
                claims.setdefault(id(image), []).append((fit, source))
        placed = any(fit.agrees and fit.depth for group in claims.values() for fit, _ in group)
        found = []
        for image in self.images:
            if not (group := claims.get(id(image))):
                continue
            fits = {fit for fit, _ in group}
            ideal = _Fit(*(max(values) for values in zip(*fits, strict=True)))
            best = {
                source: None
                for fit, source in group
                if (fit == ideal or ideal not in fits) and (fit.agrees or not placed)
            }
            found.append((image, list(best), [source for _, source in group if source not in best]))
        return found

    def _find(self, source: str) -> tuple[list[AnnotatedImage], _Fit]:
        found: tuple[list[AnnotatedImage], _Fit] = [], _NO_FIT
        for word in dict.fromkeys((source, source.rpartition("#")[2])):
            parents, stem, suffix = _split(word)
            group = self._by_stem.get(stem, [])
            more = self._agreeing([named for named in group if named.suffix == suffix], parents, 2)
            more = more or self._agreeing(group, parents, 1)
            if not more and (number := _coco_id(stem)) in self._coco_ids:
                more = [self._coco_ids[number]], _Fit(0, True, 0, False)
            if more and more[1] > found[1]:
                found = more
        return found

    def _agreeing(
        self, candidates: list[Named], parents: tuple[str, ...], name: int
    ) -> tuple[list[AnnotatedImage], _Fit] | None:
        fits = []
        for named in candidates:
            depth = _common_tail(named.parents, parents)
            if depth == min(len(named.parents), len(parents)):
                fits.append((_Fit(name, True, depth, named.parents == parents), named.image))
        if not fits and self._one_folder:
            fits = [(_Fit(name, False, 0, False), named.image) for named in candidates]
        if not fits:
            return None
        best = max(fit for fit, _ in fits)
        return list({id(image): image for fit, image in fits if fit == best}.values()), best

    def negatives(self, image: AnnotatedImage) -> list[str]:
        """The categories known to be absent from `image`, in the file's order; a crowd counts as present."""
        present = {annotation.category for annotation in image.annotations} | image.not_exhaustive
        known = self.categories if image.negatives is None else image.negatives
        return [name for name in known if name not in present]


def _split(name: str) -> tuple[tuple[str, ...], str, str]:
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    last = PurePosixPath(parts[-1] if parts else "")
    return tuple(parts[:-1]), last.stem, last.suffix.lower()


def _coco_id(stem: str) -> int | None:
    found = re.search(r"(?:^|_)([0-9]{12})$", stem)
    return int(found[1]) if found else None


def _common_tail(left: tuple[str, ...], right: tuple[str, ...]) -> int:
    depth = 0
    for a, b in zip(reversed(left), reversed(right), strict=False):
        if a != b:
            break
        depth += 1
    return depth
