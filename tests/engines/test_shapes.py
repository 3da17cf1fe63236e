from __future__ import annotations

import numpy as np
import pytest

from pe.annotators.base import Instance, Segment
from pe.engines.settings import AnnotateSettings, config_hash
from pe.engines.shapes import shape_object
from pe.errors import ConfigError
from pe.geometry.fit import fit_rings
from pe.geometry.masks import mask_iou
from pe.geometry.raster import rings_to_mask
from pe.schemas.sample import Object
from pe.schemas.settings import load_settings


def _settings(**values: object) -> AnnotateSettings:
    return load_settings(AnnotateSettings, "annotate", {"source": "a", "out": "b"} | values, environ={})


def test_simplify_fit_gives_fitted_rings_in_the_picture() -> None:
    y, x = np.mgrid[:120, :160]
    mask = ((x - 90.3) / 50) ** 2 + ((y - 61.7) / 38) ** 2 < 1
    instance = Instance("egg", 0.9, (40.0, 23.0, 141.0, 100.0))
    plain = shape_object(instance, Segment(mask), 0.01, "ccw")
    fitted = shape_object(instance, Segment(mask), 0.01, "ccw", "fit")
    assert isinstance(plain, Object)
    assert isinstance(fitted, Object)
    assert fitted.rings == [ring.ravel().tolist() for ring in fit_rings(mask, 0.01, "ccw")]
    assert fitted.rings != plain.rings
    assert fitted.ring_iou is not None
    drawn = rings_to_mask([np.reshape(ring, (-1, 2)) for ring in fitted.rings], *mask.shape)
    assert fitted.ring_iou == pytest.approx(mask_iou(drawn, mask), abs=1e-4)
    assert (fitted.epsilon, fitted.orientation) == (0.01, "ccw")


def test_simplify_is_a_setting_of_the_labels() -> None:
    hashes = {config_hash(_settings(simplify=name).labels_config("cpu")) for name in ("dp", "fit")}
    assert len(hashes) == 2
    assert config_hash(_settings().labels_config("cpu")) in hashes


def test_fit_has_no_compatible_contours() -> None:
    with pytest.raises(ConfigError, match="--simplify fit has no contours"):
        _settings(simplify="fit", orientation="simpleseg-compat")
