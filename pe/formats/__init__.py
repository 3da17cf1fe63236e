"""Answer formats: text to objects and back, one file a format; `pe.registry` finds them by name (kind "formats")."""

from pe.formats._answer import Answer, Box, Decoded, Item, Point, Shape, Size, Status
from pe.formats._base import Format
from pe.formats._vocabulary import Vocabulary
from pe.formats._wire import describe, from_json, to_json

__all__ = [
    "Answer",
    "Box",
    "Decoded",
    "Format",
    "Item",
    "Point",
    "Shape",
    "Size",
    "Status",
    "Vocabulary",
    "describe",
    "from_json",
    "to_json",
]
