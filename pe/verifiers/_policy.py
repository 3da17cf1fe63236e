"""The one policy for answers without objects and for truths without any."""

from __future__ import annotations

from pe.formats import Decoded


def silence(answer: Decoded, truths: int) -> float | None:
    """The score where nothing can be compared, or None where both the answer and the truth hold objects.

    What cannot be read as objects is 0, always. Saying nothing is 1 where there is nothing and 0 where there is
    something; naming an object where there is nothing is 0. A cut or mended answer counts by what was whole in it.
    """
    if is_unread(answer):
        return 0.0
    if not answer.objects:
        return 0.0 if truths else 1.0
    return None if truths else 0.0


def is_unread(answer: Decoded) -> bool:
    """Whether `answer` holds nothing that could be read: no object, and nothing that says that there is none.

    Those are unparsable texts, words about something else, and what was cut short before anything in it was whole,
    such as thinking that does not end.
    """
    if answer.status == "unparsable":
        return True
    if answer.objects or answer.absent or answer.status == "none-present":
        return False
    return answer.status == "truncated" or bool(answer.text.strip())
