"""What an import finds in a source: pictures, the file of boxes and masks, and what else is known of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


@dataclass(slots=True)
class Extra:
    """What an annotation says besides its category, box and segmentation.

    `quad` is eight numbers, the corners of a text from its top left on; `keypoints` COCO's x, y, visibility triples.
    `ignore` marks what is not to be learnt from. `attributes` are its other fields.
    """

    text: str = ""
    quad: list[float] | None = None
    keypoints: list[float] | None = None
    caption: str = ""
    ignore: bool = False
    attributes: dict[str, Any] = field(default_factory=dict)


@dataclass(slots=True)
class PictureExtras:
    """What a source says of one picture. `objects` is by the annotation's id.

    `expressions` are (text, ids of the annotations that it refers to); none for a text that refers to nothing there.
    """

    captions: list[str] = field(default_factory=list)
    expressions: list[tuple[str, list[str]]] = field(default_factory=list)
    objects: dict[str, Extra] = field(default_factory=dict)
    license: str = ""
    url: str = ""


@dataclass(slots=True)
class Layout:
    """A source understood: `pictures` is a word that `open_source` takes, `annotations` the file of boxes and masks.

    `extras` is by the picture's name in that file. `keypoint_names` is by category. `exhaustive` says that a category
    which a picture lacks is absent from it, unless the file itself lists what is absent. `form` is what `annotations`
    say in COCO's form, where they are in none that annotation files are read in.
    """

    pictures: str
    annotations: Path
    extras: Mapping[str, PictureExtras]
    keypoint_names: Mapping[str, list[str]] = field(default_factory=dict)
    exhaustive: bool = True
    form: bytes = b""
