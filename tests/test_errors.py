from __future__ import annotations

import pickle
import signal

import pytest

from pe import errors


@pytest.mark.parametrize(
    "error",
    [
        errors.ConfigError(["a", "b"]),
        errors.MissingExtra("the detector", "models"),
        errors.SampleError("format", "a GIF"),
        errors.Interrupted(signal.SIGTERM),
        errors.DiskError("full"),
    ],
)
def test_errors_cross_process_borders_whole(error: errors.PeError) -> None:
    back = pickle.loads(pickle.dumps(error))
    assert type(back) is type(error)
    assert str(back) == str(error)
    assert back.__dict__ == error.__dict__
    assert back.exit_code == error.exit_code


def test_exit_codes() -> None:
    codes = {
        name: kind.exit_code
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.PeError)
    }
    assert codes == {
        "PeError": 1,
        "InputError": 2,
        "ConfigError": 2,
        "MissingExtra": 2,
        "ModelError": 2,
        "SampleError": 1,
        "DamageError": 3,
        "DiskError": 74,
        "TryLater": 75,
        "Interrupted": 1,
    }
    assert errors.Interrupted(signal.SIGINT).exit_code == 130
    assert errors.Interrupted(signal.SIGTERM).exit_code == 143
