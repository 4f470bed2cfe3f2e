"""Whether a process is gone."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace

import pytest

from comfyclient.ledger.lease import Process, is_gone, this_process

linux = pytest.mark.skipif(sys.platform != "linux", reason="needs /proc")


def _child() -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)


def test_this_process_lives() -> None:
    """The one that asks is not gone."""
    assert not is_gone(this_process())


@linux
def test_ended_process_is_gone() -> None:
    """A process that ended and was waited for is gone."""
    with _child() as child:
        ended = replace(this_process(), pid=child.pid, started=None)
        assert not is_gone(ended)
        child.communicate(b"\n")

    assert is_gone(ended)


@linux
def test_zombie_is_gone() -> None:
    """A killed process that nobody waited for yet is gone too."""
    with _child() as child:
        killed = replace(this_process(), pid=child.pid, started=None)
        child.kill()
        assert child.stdin is not None
        while not is_gone(killed):  # the signal takes a moment; the test has a limit
            child.stdin.flush()


@linux
def test_used_again_process_id_is_gone() -> None:
    """An equal id that started at another time is another process."""
    assert is_gone(replace(this_process(), started="1"))


@pytest.mark.parametrize("machine", [None, "another/1"])
def test_other_machines_cannot_be_judged(machine: str | None) -> None:
    """Of a process elsewhere nothing is known: its lease decides."""
    assert not is_gone(Process(machine=machine, pid=2**22 + 1, started="1"))
