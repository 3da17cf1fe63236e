from __future__ import annotations

import base64
import io
import json
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pe.reports.page import thumbnail
from pe.reports.pick import spread
from pe.reports.sheet import contact_sheet
from pe.schemas.sample import Object, objects_to_json
from tests.reports import outputs
from tests.reports.browser import browse
from tests.shards import factory


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sheet")
    content, shown = contact_sheet("a & b", "All <10> samples", spread(outputs.animals(folder / "out"), 0))
    assert shown == 10
    path = folder / "view.html"
    path.write_text(content, "utf-8")
    return path


class _Tags(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def _data(content: str) -> list[dict[str, Any]]:
    match = re.search(r'<script type="application/json" id="data">(.*?)</script>', content, re.DOTALL)
    assert match
    return json.loads(match[1])


def test_the_page_holds_everything_and_refers_to_nothing(page: Path) -> None:
    content = page.read_text("utf-8")
    parser = _Tags()
    parser.feed(content)
    tags = [tag for tag, _ in parser.found]
    assert "img" not in tags
    assert tags.count("script") == 2
    assert not [attrs for _, attrs in parser.found if {"src", "href", "action", "onerror"} & set(attrs)]
    assert "<h1>a &amp; b</h1>" in content
    assert "All &lt;10&gt; samples" in content
    assert content.count("onerror=\\") == content.count("\\u003cimg src=x onerror=\\") > 5


def test_records_arrive_whole(page: Path) -> None:
    cards = _data(page.read_text("utf-8"))
    assert len(cards) == 10
    assert cards[2]["objects"][2]["phrase"] == "cattle"
    assert cards[2]["objects"][0]["path"] == "M2 2L20 2L20 12L2 12ZM5 5L5 9L9 9L9 5Z"
    assert cards[9]["objects"][0]["path"].startswith("M2.5 2.5L")
    assert cards[3]["negatives"] == ["unicorn"]
    assert cards[4]["dropped"][0]["reason"] == "small_mask"
    assert cards[6]["caption"] == outputs.HOSTILE
    assert cards[8]["objects"][0]["phrase"] == "émoji 🐈 \u202egnp.exe {{data}} \\1"


@pytest.mark.parametrize("codec", ["JPEG", "PNG", "WEBP"])
def test_pictures_are_scaled_down(codec: str) -> None:
    data = factory.picture(1, (1600, 1000), codec)
    content, _ = contact_sheet("t", "n", [(factory.sample("k", data), data)])
    uri = _data(content)[0]["picture"]
    assert uri.startswith("data:image/jpeg;base64,")
    with Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))) as picture:
        assert picture.size == (640, 400)


def test_a_small_picture_keeps_its_size() -> None:
    assert thumbnail(factory.picture(1, (48, 32)), 640).size == (48, 32)


def test_a_picture_that_cannot_be_decoded_is_left_out() -> None:
    good = factory.picture(1)
    content, shown = contact_sheet("t", "n", [(factory.sample("k", good), good[:40])])
    assert shown == 1
    assert _data(content)[0]["picture"] == ""


def test_no_samples() -> None:
    content, shown = contact_sheet("t", "n", [])
    assert shown == 0
    assert _data(content) == []


_SEEN = """
  const shown = [...inside.querySelectorAll("article")].filter((card) => !card.hidden);
  const visible = (name) => shown.flatMap((card) => [...card.querySelectorAll(name)])
    .filter((element) => frame.contentWindow.getComputedStyle(element).display !== "none");
  return {
    title: inside.title, pwned: frame.contentWindow.pwned === undefined ? 0 : 1, cards: shown.length,
    images: visible("img").map((image) => image.naturalWidth),
    sources: shown.map((card) => card.querySelector("code").textContent),
    boxes: visible("rect.box").length, rings: visible("path.ring").length, drops: visible("rect.dropped").length,
    labels: visible(".label").map((label) => label.textContent), dim: visible("rect.dim").length,
    rule: visible("path.ring").map((ring) => frame.contentWindow.getComputedStyle(ring).fillRule)[0] || "",
    foreign: inside.querySelectorAll("img[src=x], [onerror], a[href]").length,
    count: inside.getElementById("count").textContent, nothing: !inside.getElementById("nothing").hidden,
    detail: inside.getElementById("large").open ? inside.getElementById("detail").textContent : "",
    hash: frame.contentWindow.location.hash,
  };
"""


def _browse(page: Path, fragment: str, tmp_path: Path, *, script: str = "") -> dict[str, Any]:
    return browse(page, fragment, tmp_path, script + _SEEN)


def test_in_a_browser(page: Path, tmp_path: Path) -> None:
    seen = _browse(page, "", tmp_path)
    assert seen["title"] == "a & b · contact sheet"
    assert seen["cards"] == 10
    assert seen["images"] == [48] * 10
    assert (seen["boxes"], seen["rings"]) == (11, 11)
    assert seen["drops"] == 0
    assert seen["rule"] == "evenodd"
    assert seen["count"] == "10 of 10"
    assert (seen["pwned"], seen["foreign"]) == (0, 0)
    assert f"{outputs.HOSTILE} 0.88" in seen["labels"]


def test_filters_come_from_the_address(page: Path, tmp_path: Path) -> None:
    seen = _browse(page, "#phrase=cat&labels=0", tmp_path)
    assert seen["sources"] == ["00000.jpg", "00002.jpg", "elsewhere/x.jpg", "00007.jpg"]
    assert seen["labels"] == []
    assert (seen["boxes"], seen["dim"]) == (6, 2)
    assert seen["count"] == "4 of 10"


def test_part_of_a_phrase_source_and_drops(page: Path, tmp_path: Path) -> None:
    script = """
    const set = (name, value) => {
      const field = inside.getElementById(name);
      if (field.type === "checkbox") field.checked = value; else field.value = value;
      field.dispatchEvent(new Event("input", {bubbles: true}));
    };
    const seen = () => [...inside.querySelectorAll("article:not([hidden]) code")].map((e) => e.textContent);
    set("phrase", "attl"); const part = seen();
    set("phrase", ""); set("source", "other/pointing"); const source = seen();
    set("source", ""); set("only", "empty"); const empty = seen();
    inside.title = JSON.stringify({part, source, empty});
    set("only", "dropped"); set("drops", true); set("boxes", false); set("rings", false);
    """
    seen = _browse(page, "", tmp_path, script=script)
    assert json.loads(seen["title"]) == {"part": ["00002.jpg"], "source": ["elsewhere/x.jpg"], "empty": ["00003.jpg"]}
    assert seen["sources"] == ["00004.jpg", outputs.HOSTILE]
    assert (seen["boxes"], seen["rings"], seen["drops"]) == (0, 0, 2)
    assert "bird: small_mask" in seen["labels"]
    assert seen["hash"] == "#only=dropped&boxes=0&rings=0&drops=1"


def test_keys_open_and_turn_the_large_view(page: Path, tmp_path: Path) -> None:
    script = """
    const options = {bubbles: true, cancelable: true};
    const press = (target, key) => target.dispatchEvent(new KeyboardEvent("keydown", {key, ...options}));
    press(inside.querySelectorAll("article figure")[5], "Enter");
    press(inside.body, "ArrowRight");
    press(inside.body, "l");
    """
    seen = _browse(page, "", tmp_path, script=script)
    assert seen["labels"] == []
    assert f"Not found: {outputs.HOSTILE}" in seen["detail"]
    assert "0.8750" in seen["detail"]
    assert (seen["pwned"], seen["foreign"]) == (0, 0)


def test_no_script_but_its_own_runs(page: Path, tmp_path: Path) -> None:
    """Were a record ever to break out, the page's policy would still stop it."""
    content = page.read_text("utf-8")
    attack = "<script>window.pwned=1</script><img src=data:, onerror='window.pwned=1'></body>"
    for policy, pwned in ((True, 0), (False, 1)):
        broken = tmp_path / f"{policy}.html"
        kept = content if policy else re.sub(r"<meta http-equiv[^>]*>", "", content)
        broken.write_text(kept.replace("</body>", attack), "utf-8")
        folder = tmp_path / str(policy)
        folder.mkdir()
        seen = _browse(broken, "", folder)
        assert (seen["cards"], seen["pwned"]) == (10, pwned)


def test_nothing_matches(page: Path, tmp_path: Path) -> None:
    seen = _browse(page, "#phrase=walrus", tmp_path)
    assert (seen["cards"], seen["nothing"], seen["count"]) == (0, True, "0 of 10")


def test_a_broken_picture_says_so(tmp_path: Path) -> None:
    good = factory.picture(1)
    record = factory.sample("k", good).model_copy(
        update={"objects_json": objects_to_json([Object(id=0, phrase="cat", bbox=(0, 0, 9, 9))])}
    )
    content, _ = contact_sheet("t", "n", [(record, good[:40])])
    path = tmp_path / "broken.html"
    path.write_text(content, "utf-8")
    seen = _browse(path, "", tmp_path, script='inside.title = inside.querySelector(".missing").textContent;')
    assert seen["title"] == "This picture cannot be decoded."
    assert seen["labels"] == ["cat"]
