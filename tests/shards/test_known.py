from __future__ import annotations

import hashlib

from pe.shards.known import Known

ONE, TWO = (hashlib.sha256(data).hexdigest() for data in (b"1", b"2"))


def test_entries_are_known_by_id_and_stamp() -> None:
    known = Known()
    known.list("a", "1")
    assert known.is_listed("a", "1")
    assert not known.is_listed("a", "2")
    assert not known.is_listed("b", "1")
    known.list("caf\udce9", "1")
    assert known.is_listed("caf\udce9", "1")


def test_bytes_are_known_by_their_first_id_and_by_every_duplicate() -> None:
    known = Known()
    assert known.first_with(ONE) == ""
    known.add("a", "1", ONE, "")
    known.add("b", "1", ONE, "a")
    assert known.first_with(ONE) == "a"
    assert known.is_planned("a", ONE)
    assert known.is_planned("b", ONE)
    assert not known.is_planned("c", ONE)
    assert not known.is_planned("a", TWO)


def test_pictures_are_known_by_how_they_look_when_they_are_first() -> None:
    known = Known()
    assert known.first_near(0b111) == ""
    known.add("a", "1", ONE, "", 0b111)
    known.add("b", "1", TWO, "a", 0b111_1111)
    assert known.first_near(0b1011) == "a"
    assert known.first_near(0b111_1111) == "a"
    assert known.first_near(0b1111_1111_1111) == "", "near a duplicate alone"
    assert known.first_near(0) == ""
    assert known.is_planned("b", TWO)
    assert known.first_with(TWO) == ""


def test_what_could_not_be_read_is_known_by_its_stamp_alone() -> None:
    known = Known()
    known.add("a", "1", "", "")
    assert known.is_listed("a", "1")
    assert not known.is_planned("a", "")
    assert known.first_with("") == ""
