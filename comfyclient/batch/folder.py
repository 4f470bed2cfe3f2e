"""The folder of a batch: what it is, what became of each trip, what failed."""

from __future__ import annotations

import hashlib
import json
import os
import sys
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import IO, Self
from uuid import uuid4

from pydantic import BaseModel, ConfigDict, JsonValue, ValidationError

from ..errors import OutputError, UsageError
from .orders import Outcome

if sys.platform != "win32":
    import fcntl

STATE = "batch.json"
OUTCOMES = "outcomes.jsonl"


class Identity(BaseModel):
    """What makes a batch the same one: kept in its folder."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    name: str
    """What its idempotency keys begin with."""
    template: str
    params: str
    """A digest: parameters may be secrets of the caller's."""
    seed: int | None = None


def identity_of(
    template: str, params: Mapping[str, object], seed: int | None, *, name: str | None
) -> Identity:
    """A batch that is new."""
    text = json.dumps(dict(params), sort_keys=True, default=str)
    return Identity(
        name=name if name is not None else uuid4().hex[:12],
        template=template,
        params=hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16],
        seed=seed,
    )


def settled_identity(folder: Path, wanted: Identity, *, resume: bool) -> Identity:
    """The batch that the folder is of from now on.

    Raises:
        UsageError: it holds another one, or the same one is not to be resumed.
        OutputError: the folder cannot be used.
    """
    file = folder / STATE
    known = _known(file)
    if known is None:
        _write(file, wanted)
        return wanted
    if not resume:
        raise UsageError(
            f"{folder} holds a batch already",
            hint="--resume goes on with it; another --out begins a new one",
        )
    same = known.model_copy(update={"name": wanted.name})
    if same != wanted:
        raise UsageError(
            f"{folder} holds another batch: of {known.template}, with "
            f"{'seed ' + str(known.seed) if known.seed is not None else 'no seed'} "
            "and its own parameters",
            hint="give the same template, --seed and --param, or another --out",
        )
    return known


def _known(file: Path) -> Identity | None:
    try:
        return Identity.model_validate_json(file.read_bytes())
    except FileNotFoundError:
        return None
    except ValidationError:
        raise UsageError(
            f"{file} is no batch of this package",
            hint="choose another --out, or move that file away",
        ) from None
    except OSError as error:
        raise OutputError(f"{file} cannot be read: {error.strerror}") from error


def _write(file: Path, identity: Identity) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        part = file.with_suffix(".part")
        part.write_text(identity.model_dump_json(indent=2) + "\n", encoding="utf-8")
        os.replace(part, file)  # noqa: PTH105  Path.replace says no more
    except OSError as error:
        raise OutputError(f"{file} cannot be written: {error.strerror}") from error


class Records:
    """Writes down what became of each trip, as it is known; a context manager.

    Both files are written anew each time. That of the failures is gone afterwards where
    nothing failed; else, run again, it is a batch. A former one, in which somebody may
    have mended lines, is put aside.
    """

    def __init__(self, folder: Path, failures: Path) -> None:
        self._folder = folder
        self.failures = failures
        self.failed = 0
        """How many trips are in that file."""
        self._outcomes: IO[str] | None = None
        self._failures: IO[str] | None = None

    def __enter__(self) -> Self:
        try:
            path = self._folder / OUTCOMES
            self._outcomes = path.open("a", encoding="utf-8", errors="backslashreplace")
            _require_only(self._outcomes, self._folder)
            self._outcomes.truncate(0)
            self._put_former_aside()
            # now: what cannot be written is known before anything is sent
            self._failures = self.failures.open(
                "w", encoding="utf-8", errors="surrogateescape", newline="\n"
            )
        except OSError as error:
            self._close()
            raise OutputError(
                f"{error.filename} cannot be written: {error.strerror}",
                hint="--failures names another file"
                if error.filename == str(self.failures)
                else None,
            ) from error
        except UsageError:
            self._close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._close()
        if not self.failed and self.failures.is_file():  # /dev/null is to stay
            with suppress(OSError):
                self.failures.unlink()

    def add(self, outcome: Outcome, line: str) -> None:
        """Write one down; `line` is its trip, as the input had it."""
        assert self._outcomes is not None, "records are written while they are open"
        assert self._failures is not None, "records are written while they are open"
        try:
            _put(self._outcomes, json.dumps(report(outcome), ensure_ascii=False))
            if not outcome.ok and line:
                self.failed += 1
                _put(self._failures, line)
        except OSError as error:
            raise OutputError(
                f"the batch's records cannot be written: {error.strerror}",
                hint="the same command with --resume goes on",
            ) from error

    def _put_former_aside(self) -> None:
        former = self.failures
        if former.is_file() and former.stat().st_size:
            former.replace(former.with_name(f"{former.name}.bak"))

    def _close(self) -> None:
        for file in (self._outcomes, self._failures):
            if file is not None:
                with suppress(OSError):  # what could not be written was told
                    file.close()


def _require_only(file: IO[str], folder: Path) -> None:
    """Hold the batch for this process, as long as the file is open.

    Raises:
        UsageError: another one is at it.
    """
    if sys.platform == "win32":
        return
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise UsageError(
            f"another process is at the batch of {folder}",
            hint="wait for it, or stop it with Ctrl-C; then --resume",
        ) from None
    except OSError:  # not every file system of a network has locks
        pass


def report(outcome: Outcome) -> dict[str, JsonValue]:
    """An outcome, as its line tells it."""
    error, job = outcome.error, outcome.job
    return {
        "index": outcome.index,
        "trip": None if outcome.trip is None else outcome.trip.id,
        "job_id": None if job is None else job.id,
        "instance": None if job is None else job.instance,
        "seed": None if job is None else job.workflow.seed,
        "files": [str(path) for path in outcome.files],
        "error": None
        if error is None
        else {
            "class": type(error).__name__,
            "message": error.message,
            "hint": error.hint,
            "retryable": error.retryable,
            "text": str(error),
        },
    }


def _put(file: IO[str], line: str) -> None:
    file.write(line + "\n")
    file.flush()
