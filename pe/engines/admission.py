"""Which pictures go to the models. A run asks twice: to tell near-duplicates apart, and when it makes the slice."""

from __future__ import annotations

import simplejpeg

from pe import registry
from pe.annotators.base import AdapterSettings, Detector
from pe.engines.filters._base import build_filters
from pe.engines.outcomes import FilteredError
from pe.engines.phrases import asked_phrases
from pe.engines.settings import AnnotateSettings
from pe.errors import SampleError
from pe.shards.phash import phash
from pe.shards.pictures import Picture, load_picture
from pe.shards.plan import Fingerprint
from pe.shards.sources.base import Entry, Raw

_LEAST = 128


class Admission:
    """Opt-outs, limits, filters and the refusals of `detector`; with `colours=False` a JPEG is checked, not decoded."""

    def __init__(self, settings: AnnotateSettings, detector: Detector | None, *, colours: bool) -> None:
        self.filters = build_filters(settings.filters)
        self._settings = settings
        self._detector = detector
        self._colours = colours
        self._asked = asked_phrases(settings.phrases)

    def admit(self, raw: Raw, source: str, sha256: str) -> tuple[Picture, list[str]]:
        """The picture of input `source`, upright, and the phrases asked of it; thread-safe.

        `sha256` may be empty. Raises FilteredError for what a rule leaves out, SampleError for what cannot be used.
        """
        if raw.meta.opt_out and self._settings.respect_opt_out:
            raise FilteredError("opt_out", "its source says that it is not to be used")
        picture = load_picture(
            raw.data,
            source=source,
            meta=raw.meta,
            source_sha256=sha256,
            max_bytes=self._settings.max_bytes,
            max_pixels=self._settings.max_pixels,
            colours=self._colours,
        )
        for name, judge in self.filters.items():
            if why := judge.picture(picture):
                raise FilteredError(name, why)
        if self._detector is not None and (refused := self._detector.refuse(picture)):
            raise FilteredError(*refused)
        return picture, self._asked(raw.meta.fields) if self._asked else []


def fingerprints(settings: AnnotateSettings) -> Fingerprint | None:
    """The perceptual hash of every input that goes to the models, 0 for the others; None when near-duplicates are kept.

    Of the detectors only one that looks at no pixels is asked what it refuses: others hold a model, and what they
    refuse (a picture that is too thin for it) they refuse of its copies too. Raises InputError for annotations that
    cannot be read.
    """
    if settings.near_duplicates == "keep":
        return None
    kind = registry.load("detectors", settings.detector)
    known = AdapterSettings(model=settings.detector_model, annotations=settings.annotations)
    admission = Admission(settings, None if kind.needs_pixels else kind(known), colours=False)

    def fingerprint(entry: Entry, raw: Raw) -> int:
        try:
            picture, _ = admission.admit(raw, entry.id, "")
        except SampleError:
            return 0
        return picture_hash(picture)

    return fingerprint


def picture_hash(picture: Picture) -> int:
    """The `phash` of a picture; of a JPEG that is not decoded yet that of a half, a quarter or an eighth of its size.

    Sides of at least 128 pixels are left, which differ from the whole picture in two bits at most on real photos.
    """
    shrink = next((by for by in (8, 4, 2) if min(picture.width, picture.height) >= by * _LEAST), 1)
    if picture.pixels is not None or shrink == 1:
        return phash(picture.array)
    height, width = -(-picture.height // shrink), -(-picture.width // shrink)
    return phash(simplejpeg.decode_jpeg(picture.data, "RGB", min_height=height, min_width=width))
