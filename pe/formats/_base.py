"""What a format is: an encoder, a decoder, and what the docs say of both."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import ClassVar

from pe.errors import InputError
from pe.formats._answer import Answer, Decoded, Item, Shape, Size
from pe.formats._frame import Frame
from pe.formats._reading import MAX_OBJECTS, Full, Reading
from pe.formats._vocabulary import Vocabulary
from pe.registry import unit_name


class Format(ABC):
    """One answer format. A subclass says what it `writes` (nothing: it only reads) and has `_write` and `_read`.

    `grammar`, `coordinates` and `rounding` are one line each, for `pe formats` and docs/answer_formats.md. `named`
    tells whether objects keep their phrases in the text, which may not hold any of the marks in `reserved`. `parts`
    tells whether an object may have several rings, `corners` how many vertices a ring has (0: any). `vocabulary` are
    the coordinate tokens, if there are any.
    """

    grammar: ClassVar[str]
    coordinates: ClassVar[str]
    rounding: ClassVar[str]
    writes: ClassVar[frozenset[Shape]] = frozenset()
    named: ClassVar[bool] = True
    reserved: ClassVar[tuple[str, ...]] = ()
    parts: ClassVar[bool] = False
    corners: ClassVar[int] = 0
    vocabulary: ClassVar[Vocabulary | None] = None

    def encode(self, answer: Answer, image: Size, input_size: Size | None = None) -> str:
        """The text of `answer` about an image of `image` = (width, height) pixels.

        `input_size` is (width, height) of what the model sees, for formats in its pixels; None: by the model's own
        rule. Coordinates outside the image go to its border. Raises InputError for a shape or a phrase the format
        cannot write and for sizes below 1.
        """
        for item in answer.objects:
            self._check(item)
        for phrase in (*(item.phrase for item in answer.objects), *answer.absent):
            if any(mark in phrase for mark in self.reserved):
                raise InputError(f"{self._name()} cannot write the phrase {phrase!r}: it holds one of {self.reserved}")
        if not answer.objects and answer.text and "text" not in self.writes:
            raise InputError(f"{self._name()} does not write plain text (it writes {self._writable()})")
        if not self.writes:
            raise InputError(f"{self._name()} is only read, not written")
        return self._write(answer, self._frame(image, input_size))

    def decode(self, text: str, image: Size, input_size: Size | None = None, asked: str = "") -> Decoded:
        """What `text` says about an image of `image` = (width, height) pixels; never raises for any text.

        `input_size` as in `encode`. `asked` is the phrase or the question the text answers: it becomes the phrase of
        objects that carry none. The work is linear in the length of `text`; what follows 1,000 objects is not read.
        Raises InputError for sizes below 1.
        """
        reading = Reading()
        frame = self._frame(image, input_size)
        try:
            self._read(text, frame, reading, asked)
        except Full:
            reading.cut(f"more than {MAX_OBJECTS:,} objects")
        return reading.done(asked)

    def step(self, image: Size, input_size: Size | None = None) -> tuple[float, float]:
        """The quantisation step in pixels of the stored image along x and y; (0, 0) for a format without coordinates.

        A coordinate that is written and read again is off by at most half of it.
        """
        return self._step(self._frame(image, input_size))

    def input_size(self, image: Size) -> Size:
        """(width, height) of what the model sees of an image of `image`; the image itself unless the model resizes."""
        return image

    def _step(self, frame: Frame) -> tuple[float, float]:
        return 0.0, 0.0

    @abstractmethod
    def _read(self, text: str, frame: Frame, reading: Reading, asked: str) -> None: ...

    def _write(self, answer: Answer, frame: Frame) -> str:
        raise NotImplementedError

    def _frame(self, image: Size, input_size: Size | None) -> Frame:
        if min(image) < 1 or (input_size is not None and min(input_size) < 1):
            raise InputError(f"an image is at least 1 x 1 pixels, not {image[0]} x {image[1]} (seen as {input_size})")
        return Frame(image, input_size or self.input_size(image))

    def _check(self, item: Item) -> None:
        if item.shape not in self.writes:
            raise InputError(f"{self._name()} does not write {item.shape} (it writes {self._writable()})")
        if item.rings is not None and len(item.rings) > 1 and not self.parts:
            raise InputError(f"{self._name()} writes one ring an object, not {len(item.rings)}")
        if item.rings is not None and self.corners and any(len(ring) != 2 * self.corners for ring in item.rings):
            raise InputError(f"{self._name()} writes rings of {self.corners} vertices only")

    @classmethod
    def _name(cls) -> str:
        return unit_name(cls.__module__.rpartition(".")[2])

    @classmethod
    def _writable(cls) -> str:
        return ", ".join(sorted(cls.writes)) or "nothing"
