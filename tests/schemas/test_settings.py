from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from pe.engines.settings import AnnotateSettings, config_hash
from pe.errors import ConfigError
from pe.schemas.settings import load_settings, presets, read_yaml

HERE = {"source": "photos", "out": Path("out")}


def load(
    flags: dict[str, object] | None = None, *, config: Path | None = None, preset: str = "", **environ: str
) -> AnnotateSettings:
    return load_settings(
        AnnotateSettings, "annotate", HERE | (flags or {}), config=config, preset=preset, environ=environ
    )


def test_each_layer_covers_the_one_below(tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("annotate:\n  epsilon: 0.01\n  box_threshold: 0.2\n  batch_size: 2\n")
    assert load().epsilon == 0.005
    assert load(config=config).epsilon == 0.01
    assert load(config=config, PE_ANNOTATE__EPSILON="0.02").epsilon == 0.02
    settings = load({"epsilon": 0.03, "box_threshold": None}, config=config, PE_ANNOTATE__EPSILON="0.02")
    assert (settings.epsilon, settings.box_threshold, settings.batch_size) == (0.03, 0.2, 2)


def test_every_preset_loads_and_a_flag_covers_it() -> None:
    assert presets("annotate")
    for name in presets("annotate"):
        load(preset=name)
    assert load(preset="simpleseg").orientation == "simpleseg-compat"
    assert load({"orientation": "cw"}, preset="simpleseg").orientation == "cw"


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("annotate:\n  epsilonn: 0.01\n  batch_size: none\n")
    with pytest.raises(ConfigError) as caught:
        load({"dtype": "float8"}, config=config)
    text = "\n".join(caught.value.problems)
    assert len(caught.value.problems) == 3
    assert "did you mean 'epsilon'" in text
    assert "batch_size" in text
    assert "float8" in text


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("annotate: [1", "not YAML"),
        ("- 1", "expected sections"),
        ("anotate: {}", "unknown section"),
        ("annotate: 3", "must hold keys"),
    ],
)
def test_a_file_that_is_no_settings_file_is_one_line(tmp_path: Path, content: str, says: str) -> None:
    config = tmp_path / "run.yaml"
    config.write_text(content)
    with pytest.raises(ConfigError, match=says) as caught:
        load(config=config)
    assert "\n" not in str(caught.value)


def test_an_unknown_preset_names_the_nearest() -> None:
    with pytest.raises(ConfigError, match="did you mean simpleseg"):
        load(preset="simplseg")


def test_filters_are_words_on_the_command_line_and_mappings_in_a_file(tmp_path: Path) -> None:
    config = tmp_path / "run.yaml"
    config.write_text("annotate:\n  filters: {size: {min_side: 64}}\n")
    assert load(config=config).filters == {"size": {"min_side": 64}}
    settings = load({"filters": ["size:min_side=64,max_side=9", "aspect"]})
    assert settings.filters == {"size": {"min_side": "64", "max_side": "9"}, "aspect": {}}
    with pytest.raises(ConfigError, match="a filter is NAME"):
        load({"filters": ["size:64"]})


@pytest.mark.parametrize(
    ("flags", "says"),
    [
        ({"detector": "dataset"}, "need --annotations"),
        ({"segmenter": "dataset", "annotations": "a.json"}, "boxes of --detector dataset"),
        ({"captioner": "openai"}, "--captioner-url"),
        ({"captioner": "none", "region_captions": True}, "--region-captions"),
    ],
)
def test_settings_that_need_each_other(flags: dict[str, object], says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        load(flags)


def test_the_hash_covers_labels_and_nothing_else(tmp_path: Path) -> None:
    def hashed(**flags: object) -> str:
        return config_hash(load(flags).labels_config("cpu"))

    assert hashed() == hashed(workers=4, shard_inputs=8)
    for change in ({"epsilon": 0.01}, {"batch_size": 2}, {"dtype": "float16"}, {"phrases": "cat"}):
        assert hashed() != hashed(**change)
    assert config_hash(load().labels_config("cuda:1")) == config_hash(load().labels_config("cuda"))
    first, second = tmp_path / "a" / "model.onnx", tmp_path / "b" / "model.onnx"
    for path, data in ((first, b"1"), (second, b"1")):
        path.parent.mkdir()
        path.write_bytes(data)
    assert hashed(detector_model=str(first)) == hashed(detector_model=str(second))
    second.write_bytes(b"2")
    assert hashed(detector_model=str(first)) != hashed(detector_model=str(second))


def test_a_key_called_on_is_a_word_and_not_true(tmp_path: Path) -> None:
    assert read_yaml("{on: rl, off: yes, a: [true, FALSE, no]}") == {"on": "rl", "off": "yes", "a": [True, False, "no"]}


@pytest.mark.parametrize("text", ["a: 1\nb: 2\na: 3\n", "{x: {a: 1, a: 1}}", "- a: 1\n  'a': 2\n"])
def test_a_key_that_stands_twice_is_an_error(text: str) -> None:
    with pytest.raises(yaml.YAMLError, match="the key 'a' stands twice, first in line 1"):
        read_yaml(text)


def test_merged_keys_may_be_said_again() -> None:
    text = "one: &one {a: 1, b: 2}\ntwo: {<<: *one, a: 3}\nthree: {<<: [*one, {c: 4}], b: 5}\nfour: *one\n"
    assert read_yaml(text) == {
        "one": {"a": 1, "b": 2},
        "two": {"a": 3, "b": 2},
        "three": {"a": 1, "b": 5, "c": 4},
        "four": {"a": 1, "b": 2},
    }


@pytest.mark.parametrize("text", ["a: 2024-13-01", "a: " + "9" * 5000, 'a: !!int "abc"', "[" * 20_000])
def test_what_python_cannot_hold_is_not_yaml(tmp_path: Path, text: str) -> None:
    with pytest.raises(yaml.YAMLError):
        read_yaml(text)
    config = tmp_path / "run.yaml"
    config.write_text(text)
    with pytest.raises(ConfigError, match="not YAML"):
        load(config=config)
