from __future__ import annotations

import json

import pytest

from pe.errors import InputError
from pe.formats import Answer, Decoded, Item
from pe.formats.rexomni import RexOmni
from pe.formats.rexomni_compat import RexOmniCompat

SIZE = (999, 999)
REX = RexOmni()


def spans(*pairs: tuple[str, str]) -> str:
    return ", ".join(f"<|object_ref_start|>{a}<|object_ref_end|><|box_start|>{b}<|box_end|>" for a, b in pairs)


def read(text: str) -> Decoded:
    return REX.decode(text, SIZE)


def test_runs_of_one_phrase_share_its_tags_and_order_survives() -> None:
    answer = Answer(
        (
            Item("cat", bbox=(9, 2, 30, 40)),
            Item("cat", point=(5, 6)),
            Item("dog", rings=((1, 2, 3, 4, 5, 6),)),
            Item("cat", bbox=(1, 2, 3, 4)),
        )
    )
    text = REX.encode(answer, SIZE)
    assert text == spans(("cat", "<9><2><30><40>,<5><6>"), ("dog", "<1><2><3><4><5><6>"), ("cat", "<1><2><3><4>"))
    assert read(text).objects == answer.objects


def test_absent_phrases_are_none() -> None:
    decoded = read(spans(("cat", "None"), ("dog", "<1><2><3><4>")))
    assert (decoded.absent, [item.phrase for item in decoded.objects], decoded.status) == (("cat",), ["dog"], "ok")
    assert read(spans(("cat", "None"))).status == "none-present"


@pytest.mark.parametrize(
    ("body", "count"),
    [
        ("<500><500><7", 0),
        ("<500><500>", 0),
        ("<1><2><3><4>", 0),  # it may be the beginning of a polygon
        ("<1><2><3><4>,<5><6><7><8>", 2),
        ("<1><2><3><4>,<5><6>", 1),
        ("<1><2>,<3><4>", 2),
        ("<1><2><3><4>,<5><6><7><8", 1),
    ],
)
def test_what_is_cut_short_never_changes_its_type(body: str, count: int) -> None:
    decoded = read(f"<|object_ref_start|>cat<|object_ref_end|><|box_start|>{body}")
    assert (decoded.status, len(decoded.objects)) == ("truncated", count)
    assert len({item.shape for item in decoded.objects}) <= 1


@pytest.mark.parametrize("end", range(60, 160))
def test_no_cut_of_an_answer_invents_an_object(end: int) -> None:
    text = spans(("cat", "<11><22><333><444>,<15><26><337><448>"), ("dog", "<1><2><30><40>"))
    whole = read(text).objects
    cut = read(text[:end]).objects
    assert cut == whole[: len(cut)]


def test_blanks_between_tokens_and_swapped_corners() -> None:
    decoded = read(
        "<|object_ref_start|> cat <|object_ref_end|> <|box_start|> <30> <40> <3> <4> , <1> <2> <3> <4> <|box_end|>"
    )
    assert decoded.objects == (Item("cat", bbox=(3, 4, 30, 40)), Item("cat", bbox=(1, 2, 3, 4)))
    assert (decoded.status, decoded.notes) == ("repaired", ("corners were swapped",))


def test_odd_runs_and_other_tokens_are_dropped() -> None:
    decoded = read(spans(("cat", "<1><2><3>,<1><2><3><1234>,<1>x<2>,<5><6>")))
    assert decoded.objects == (Item("cat", point=(5, 6)),)
    assert decoded.status == "repaired"


def test_key_points_are_json() -> None:
    item = Item("person", bbox=(1, 36, 987, 984), keypoints={"nose": (540, 351), "right eye": None})
    text = REX.encode(Answer((item, item)), SIZE)
    assert json.loads(text.removeprefix("```json\n").removesuffix("\n```"))["person2"] == {
        "bbox": " <1> <36> <987> <984> ",
        "keypoints": {"nose": " <540> <351> ", "right eye": "unvisible"},
    }
    assert read(text).objects == (item, item)
    assert (read(text[:-30]).objects, read(text[:-30]).status) == ((item,), "truncated")


def test_key_points_of_a_damaged_json_are_mended() -> None:
    decoded = read("```json\n{'cat_1': {'bbox': ' <0> <0> <9> <9> ', 'keypoints': {},},}\n```")
    assert decoded.objects == (Item("cat", bbox=(0, 0, 9, 9), keypoints={}),)
    assert decoded.status == "repaired"


def test_a_visual_prompt_is_the_questions_json() -> None:
    assert REX.visual_prompt([(0, 0, 999, 999), (1, 2, 3, 4)], SIZE) == (
        '{"object_1": ["<0><0><999><999>", "<1><2><3><4>"]}'
    )


def test_the_tokens_take_over_the_last_ids() -> None:
    assert REX.vocabulary is not None
    assert REX.vocabulary.tokens()[999] == "<999>"
    assert REX.vocabulary.ids(151643) == range(150643, 151643)


def test_several_parts_are_refused() -> None:
    with pytest.raises(InputError, match="one ring an object"):
        REX.encode(Answer((Item("a", rings=((0, 0, 1, 0, 1, 1), (2, 2, 3, 2, 3, 3))),)), SIZE)


def test_compat_sorts_rounds_down_and_takes_a_cut_box_for_a_point() -> None:
    compat = RexOmniCompat()
    answer = Answer((Item("cat", bbox=(9.9, 2, 30, 40)), Item("cat", bbox=(1, 2, 3, 4))))
    assert compat.encode(answer, SIZE) == spans(("cat", "<1><2><3><4>,<9><2><30><40>"))
    decoded = compat.decode("<|object_ref_start|>cat<|object_ref_end|><|box_start|><500><500><7", SIZE)
    assert decoded.objects == (Item("cat", point=(500, 500)),)
