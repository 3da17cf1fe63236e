"""Annotation files (COCO, LVIS, YOLO) as one structure: pictures by name, each with its annotations and negatives."""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

_DIGITS = re.compile(r"(?:^|_)(\d{12})$")

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
    """

    name: str
    width: int = 0
    height: int = 0
    fractions: bool = False
    annotations: list[Annotation] = field(default_factory=list)
    negatives: list[str] | None = None


@dataclass(frozen=True, slots=True)
class Named:
    """An image under one of the names it goes by: POSIX path parts, the last without its suffix in `stem`."""

    parents: tuple[str, ...]
    stem: str
    suffix: str
    image: AnnotatedImage


class AnnotationFile:
    """What an annotation file says, and which of its pictures a source path means."""

    def __init__(
        self,
        path: Path,
        sha256: str,
        categories: Iterable[str],
        images: Iterable[tuple[AnnotatedImage, Iterable[str]]],
        licence: str = "",
    ) -> None:
        self.path = path
        self.sha256 = sha256
        self.license = licence
        self.categories = list(dict.fromkeys(categories))
        self.images: list[AnnotatedImage] = []
        self._by_digits: dict[int, list[AnnotatedImage]] = {}
        self._by_stem: dict[str, list[Named]] = {}
        for image, names in images:
            self.images.append(image)
            for parents, stem, suffix in dict.fromkeys(_split(name) for name in names):
                self._by_stem.setdefault(stem, []).append(Named(parents, stem, suffix, image))
                if digits := _DIGITS.search(stem):
                    self._by_digits.setdefault(int(digits[1]), []).append(image)
        folders = {named.parents for group in self._by_stem.values() for named in group if named.parents}
        self._one_folder = len(folders) <= 1

    def find(self, source: str) -> list[AnnotatedImage]:
        """The pictures that `source` (a relative path, "tar#member" too) can mean: one, none, or several of one name.

        The path must agree with the file's as far as both go ("val/1.jpg" is not "train/1.jpg"); where all pictures of
        the file share one folder, that folder's name does not matter. A suffix that differs (a converted picture) is
        accepted when no name fits exactly, and so are the twelve digits that COCO names pictures by: its releases of
        2014 have the same ones after COCO_train2014_.
        """
        for word in dict.fromkeys((source, source.rpartition("#")[2])):
            parents, stem, suffix = _split(word)
            group = self._by_stem.get(stem, [])
            for candidates in ([named for named in group if named.suffix == suffix], group):
                found = self._agreeing(candidates, parents)
                if found:
                    return found
            digits = _DIGITS.search(stem)
            if digits and int(digits[1]) in self._by_digits:
                return list({id(image): image for image in self._by_digits[int(digits[1])]}.values())
        return []

    def _agreeing(self, candidates: list[Named], parents: tuple[str, ...]) -> list[AnnotatedImage]:
        common = [_common_tail(named.parents, parents) for named in candidates]
        fits = [
            (depth, named.image)
            for named, depth in zip(candidates, common, strict=True)
            if depth == min(len(named.parents), len(parents))
        ]
        if not fits and self._one_folder:
            fits = [(0, named.image) for named in candidates]
        best = max((depth for depth, _ in fits), default=0)
        return list({id(image): image for depth, image in fits if depth == best}.values())

    def negatives(self, image: AnnotatedImage) -> list[str]:
        """The categories known to be absent from `image`, in the file's order; a crowd counts as present."""
        present = {annotation.category for annotation in image.annotations}
        known = self.categories if image.negatives is None else image.negatives
        return [name for name in known if name not in present]


def _split(name: str) -> tuple[tuple[str, ...], str, str]:
    parts = [part for part in name.replace("\\", "/").split("/") if part not in ("", ".", "..")]
    last = PurePosixPath(parts[-1] if parts else "")
    return tuple(parts[:-1]), last.stem, last.suffix.lower()


def _common_tail(left: tuple[str, ...], right: tuple[str, ...]) -> int:
    depth = 0
    for a, b in zip(reversed(left), reversed(right), strict=False):
        if a != b:
            break
        depth += 1
    return depth
