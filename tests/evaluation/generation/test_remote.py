from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pe.annotators import endpoint
from pe.errors import InputError, TryLater
from pe.evaluation.generation import GenerationSettings, generate
from pe.evaluation.generation.log import read_log
from pe.evaluation.generation.remote import picture_uri
from pe.evaluation.generation.seeds import answer_seed
from pe.schemas.sample import Verifier
from tests.evaluation.generation.servers import Server, ask
from tests.evaluation.rollouts import IMAGE, RIGHT, write

pytest.importorskip("openai")


@pytest.fixture(autouse=True)
def quick(monkeypatch: pytest.MonkeyPatch, server: Server) -> None:
    monkeypatch.setattr(endpoint, "FIRST_WAIT", 0.01)
    server.stats()


def answers(
    server: Server, shards: Path, out: Path, model: str = "m", **settings: Any
) -> dict[tuple[str, int], dict[str, Any]]:
    generate(model, shards, out, GenerationSettings(url=server.url, **settings))
    found = [row for _, row in read_log(out)]
    assert len({(row["key"], row["sample"]) for row in found}) == len(found)
    return {(row["key"], row["sample"]): row for row in found}


def test_answers_requests_and_a_second_run(server: Server, tmp_path: Path) -> None:
    shards = write(tmp_path / "rl", [[ask("a"), ask("b", "p=1 greedy=1 long")], [ask("c")]])
    found = answers(server, shards, tmp_path / "r.jsonl", samples=3, seed=5, max_new_tokens=9)
    assert set(found) == {(key, number) for key in "abc" for number in range(3)}
    assert found["b", 1] == {"key": "b", "sample": 1, "response": RIGHT, "tokens": 7, "truncated": True}
    stats = server.stats()
    assert len(stats["asked"]) == 9
    assert {
        "model": "m", "max_tokens": 9, "temperature": 1.0, "seed": answer_seed(5, "a", 2)
    } in stats["bodies"]  # fmt: skip
    assert answers(server, shards, tmp_path / "r.jsonl", samples=3, seed=5, max_new_tokens=9) == found
    assert server.stats()["asked"] == []
    more = answers(server, shards, tmp_path / "r.jsonl", samples=4, seed=5, max_new_tokens=9)
    assert {pair: row for pair, row in more.items() if pair[1] < 3} == found
    assert len(server.stats()["asked"]) == 3
    assert answers(server, shards, tmp_path / "other.jsonl", samples=4, seed=5, max_new_tokens=9) == more


def test_greedy_answers_and_the_only_model(server: Server, tmp_path: Path) -> None:
    shards = write(tmp_path / "rl", [[ask("a", "p=0 greedy=1"), ask("b", "p=1 greedy=0")]])
    found = answers(server, shards, tmp_path / "r.jsonl", model="")
    assert [found[key, 0]["response"] for key in "ab"] == [RIGHT, "nothing"]
    assert [body["model"] for body in server.stats()["bodies"]] == ["only-model"] * 2


def test_extras_go_to_servers_that_need_them_alone(server: Server, tmp_path: Path) -> None:
    special = Verifier(name="detection", params_json='{"format": "rexomni"}')
    shards = write(tmp_path / "rl", [[ask("a"), ask("b", verifier=special)]])
    answers(server, shards, tmp_path / "r.jsonl", samples=2, top_p=0.9, top_k=5, concurrency=1)
    bodies = server.stats()["bodies"]
    assert [body.get("skip_special_tokens") for body in bodies] == [None, False] * 2
    assert all((body["top_p"], body["top_k"]) == (0.9, 5) for body in bodies)


def test_a_row_that_is_turned_down_is_a_line(server: Server, tmp_path: Path) -> None:
    stream = io.BytesIO()
    Image.effect_noise((100, 100), 90).save(stream, "PNG")
    assert len(stream.getvalue()) > 4000
    shards = write(tmp_path / "rl", [[ask("a")]])
    from pe.evaluation.generation.remote import _Asker, endpoint_of
    from pe.evaluation.generation.rows import Item

    settings = GenerationSettings(url=server.url)
    rows = [
        Item(ask("bad", "refuse"), stream.getvalue(), 0),
        Item(ask("cut"), b"no picture", 0),
        Item(ask("a"), IMAGE, 0),
    ]
    lines = {line["key"]: line for line in _Asker("m", endpoint_of(settings), settings).lines(iter(rows))}
    assert "refused: 400" in lines["bad"]["error"]
    assert "corrupt" in lines["cut"]["error"]
    assert "error" not in lines["a"]
    assert shards.exists()


def test_a_server_that_is_down_is_tried_later_and_nothing_is_lost(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(endpoint, "RETRIES", 1)
    shards = write(tmp_path / "rl", [[ask(f"k{row}") for row in range(3)]])
    with pytest.raises(TryLater, match="503"):
        answers(server, shards, tmp_path / "down.jsonl", model="down")
    with pytest.raises(InputError, match="such as http"):
        generate("m", shards, tmp_path / "r.jsonl", GenerationSettings(url="localhost:8000"))


def test_pictures_are_sent_as_they_are_stored() -> None:
    assert base64.b64decode(picture_uri(IMAGE).removeprefix("data:image/jpeg;base64,")) == IMAGE
    stream = io.BytesIO()
    Image.new("RGBA", (3, 2), (10, 20, 30, 255)).save(stream, "PNG")
    data = base64.b64decode(picture_uri(stream.getvalue()).removeprefix("data:image/png;base64,"))
    with Image.open(io.BytesIO(data)) as image:
        assert (image.mode, image.size, image.getpixel((0, 0))) == ("RGB", (3, 2), (10, 20, 30))
