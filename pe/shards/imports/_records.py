"""One line for a record that is malformed: where it is and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pe.errors import InputError


@contextmanager
def record(place: str) -> Iterator[None]:
    """Raise what is wrong with the record at `place` (a file with its line, row or id) as an InputError naming it."""
    try:
        yield
    except KeyError as error:
        raise InputError(f"{place}: it has no {error}") from None
    except UnicodeEncodeError:
        raise InputError(f"{place}: a text in it has a lone surrogate (\\ud800 to \\udfff), no character") from None
    except OverflowError:
        raise InputError(f"{place}: a number in it is too large") from None
    except ValueError as error:
        raise InputError(f"{place}: {error}") from None
    except RecursionError:
        raise InputError(f"{place}: it is nested too deeply") from None
    except (TypeError, AttributeError):
        raise InputError(f"{place}: a value in it is of another type than its field takes") from None
