from __future__ import annotations

import pytest

from pe import registry
from pe.errors import InputError, MissingExtra


def test_units_are_found_by_their_module_names_without_importing_them() -> None:
    assert {"dataset", "groundingdino", "onnx", "transformers"} <= set(registry.names("detectors"))
    assert {"dataset", "grabcut", "sam", "transformers"} <= set(registry.names("segmenters"))
    assert {"openai", "template", "transformers"} <= set(registry.names("captioners"))
    assert registry.names("filters") == ["aspect", "share", "size"]
    assert {"rexomni", "rexomni-compat", "qwen2.5-vl", "v-triune"} <= set(registry.names("formats"))


def test_a_name_is_its_modules_with_hyphens_and_dots() -> None:
    assert registry.unit_name("qwen2_5_vl") == "qwen2.5-vl"
    assert registry.unit_name("florence_2") == "florence-2"
    assert registry.load("formats", "qwen2.5-vl") is registry.load("formats", "qwen2-5-vl")
    assert all(registry.load("formats", name) for name in registry.names("formats"))


def test_an_unknown_unit_names_the_nearest() -> None:
    with pytest.raises(InputError, match="did you mean grabcut"):
        registry.load("segmenters", "grabcutt")
    for name in ("_base", "-base", "../cli", ""):
        with pytest.raises(InputError):
            registry.load("filters", name)


def test_a_missing_extra_names_the_install_command() -> None:
    registry.require("json", "models", "json")
    with pytest.raises(MissingExtra, match=r"pip install 'perception-engines\[models\]'"):
        registry.require("a detector", "models", "no_such_module")
