"""Who owns a job: an owner's process, and whether it is provably gone."""

from __future__ import annotations

import os
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    """A process as another one on the same machine can recognise it."""

    machine: str | None
    """This boot and process namespace; None where the system does not say."""
    pid: int
    started: str | None
    """In ticks since the boot: process ids are used again, these pairs are not."""


def this_process() -> Process:
    """The process that asks."""
    pid = os.getpid()
    return Process(machine=_machine(), pid=pid, started=_started(pid))


def is_gone(process: Process) -> bool:
    """Whether the process certainly runs no more; False when that cannot be known."""
    if process.machine is None or process.machine != _machine():
        return False
    try:
        os.kill(process.pid, 0)
    except ProcessLookupError:
        return True
    except OSError:  # somebody else's process: alive, or not ours to judge
        pass
    if _is_zombie(process.pid):
        return True
    started = _started(process.pid)
    return None not in (started, process.started) and started != process.started


def _machine() -> str | None:
    # Two containers may share a host name and have equal process ids; the boot id
    # with the number of the process namespace tells them apart.
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot}/{Path('/proc/self/ns/pid').stat().st_ino}"
    except OSError:
        return None


def _stat_fields(pid: int) -> list[str]:
    with suppress(OSError, UnicodeDecodeError):
        text = Path(f"/proc/{pid}/stat").read_text("utf-8", "replace")
        return text.rpartition(")")[2].split()  # the name before it may hold anything
    return []


def _started(pid: int) -> str | None:
    fields = _stat_fields(pid)
    return fields[19] if len(fields) > 19 else None


def _is_zombie(pid: int) -> bool:
    return _stat_fields(pid)[:1] in (["Z"], ["X"])
