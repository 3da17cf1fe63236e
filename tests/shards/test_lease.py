from __future__ import annotations

import errno
import fcntl
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from pe.errors import DiskError
from pe.shards.lease import claim, holder, lease, sweep
from pe.shards.output import Output
from tests.shards import factory, kills

HOLD = """
import sys, time
from pe.shards.lease import lease
from pe.shards.output import Output
held = lease(Output(sys.argv[1]), "s")
print(held is not None, flush=True)
time.sleep(60)
"""


@pytest.fixture
def output(tmp_path: Path) -> Output:
    return Output(tmp_path / "out").create()


def hold(output: Output) -> subprocess.Popen[str]:
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(output.root)], cwd=kills.ROOT, stdout=subprocess.PIPE, text=True
    )
    assert child.stdout is not None
    assert child.stdout.readline() == "True\n"
    return child


def test_one_holder_at_a_time_and_none_left_after(output: Output) -> None:
    held = lease(output, "s")
    assert held is not None
    assert holder(output, "s").endswith(f" pid {os.getpid()}")
    assert lease(output, "s") is None
    with held:
        assert lease(output, "s") is None
    assert list(output.leases_dir.iterdir()) == []
    assert holder(output, "s") == ""
    again = lease(output, "s")
    assert again is not None
    held.release()
    assert lease(output, "s") is None
    again.release()


def test_a_killed_holder_gives_way_at_once(output: Output) -> None:
    child = hold(output)
    assert lease(output, "s") is None
    assert holder(output, "s").endswith(f" pid {child.pid}")
    assert sweep(output) == 0
    child.send_signal(signal.SIGKILL)
    child.communicate()
    taken = lease(output, "s")
    assert taken is not None
    taken.release()


def test_leftovers_are_swept(output: Output) -> None:
    child = hold(output)
    child.send_signal(signal.SIGKILL)
    child.communicate()
    assert [path.name for path in output.leases_dir.iterdir()] == ["s"]
    assert sweep(output) == 1
    assert list(output.leases_dir.iterdir()) == []


def test_a_forked_child_does_not_keep_the_lease(output: Output) -> None:
    held = lease(output, "s")
    assert held is not None
    child = os.fork()
    if child == 0:
        held.release()
        os._exit(0 if lease(output, "s") is None else 1)
    assert os.waitpid(child, 0)[1] == 0
    assert lease(output, "s") is None
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.close(write)
        os.read(read, 1)
        os._exit(0)
    held.release()
    taken = lease(output, "s")
    assert taken is not None
    taken.release()
    os.close(write)
    os.waitpid(child, 0)
    os.close(read)


def test_the_descriptor_is_not_inherited(output: Output) -> None:
    held = lease(output, "s")
    assert held is not None
    with held:
        opened = subprocess.run(
            ["ls", "-l", "/proc/self/fd"], capture_output=True, text=True, close_fds=False, check=True
        )
    assert "/dev/null" in opened.stdout or "pipe:" in opened.stdout
    assert str(output.leases_dir) not in opened.stdout


def test_a_committed_slice_is_not_claimed(tmp_path: Path) -> None:
    factory.run(tmp_path, factory.photos(3))
    output = Output(tmp_path)
    assert claim(output, "0000-00000") is None
    assert list(output.leases_dir.iterdir()) == []
    free = claim(output, "0000-00001")
    assert free is not None
    free.release()


@pytest.mark.parametrize(
    ("number", "words"), [(errno.ENOLCK, "has no file locks"), (errno.EOPNOTSUPP, "has no file locks"), (5, "lease")]
)
def test_a_filesystem_without_locks_is_told(
    output: Output, monkeypatch: pytest.MonkeyPatch, number: int, words: str
) -> None:
    def broken(handle: int, how: int) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(fcntl, "flock", broken)
    with pytest.raises(DiskError, match=words):
        lease(output, "s")


def test_a_lease_that_was_replaced_while_waiting_is_taken_anew(output: Output, monkeypatch: pytest.MonkeyPatch) -> None:
    real, calls = fcntl.flock, []

    def racing(handle: int, how: int) -> None:
        calls.append(handle)
        if len(calls) == 1:  # the holder before removes the file between our open and our lock
            (output.leases_dir / "s").unlink()
        real(handle, how)

    monkeypatch.setattr(fcntl, "flock", racing)
    taken = lease(output, "s")
    assert taken is not None
    assert len(calls) == 2
    assert (output.leases_dir / "s").exists()
    taken.release()


def test_four_processes_share_the_work_and_write_each_slice_once(tmp_path: Path) -> None:
    kills.finish(tmp_path / "one", 120)
    kills.finish(tmp_path / "four", 120, count=4)
    assert factory.tree(tmp_path / "four") == factory.tree(tmp_path / "one")
    wrote = (tmp_path / "four.log").read_text().split()
    assert sorted(wrote) == Output(tmp_path / "four").committed()
