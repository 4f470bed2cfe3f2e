"""Where a job's outputs are saved, and what the files are called."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from ..result import Result
from ..workflow import Workflow
from .outputs import Output, SavedFile

_MAX_STEM_BYTES = 150


def stem_of(workflow: Workflow, job_id: str) -> str:
    """What files of a job are named after: its trip, made safe, or its own id."""
    trip_id = workflow.trip_id
    kept = re.sub(r"[^\w.-]+", "_", trip_id).strip("._-") if trip_id else ""
    return kept.encode()[:_MAX_STEM_BYTES].decode("utf-8", "ignore") or job_id


def save_outputs(
    result: Result,
    stem: str,
    folder: Path,
    *,
    overwrite: bool = False,
    keep_same: bool = False,
) -> list[tuple[Output, Path]]:
    """Save what the template names, or everything; files are named after the trip.

    `keep_same`: a process that died may have saved them, and not written that down.
    """
    wanted = [o for o in result.outputs if o.name] or list(result.outputs)
    saved: list[tuple[Output, Path]] = []
    for output in wanted:
        label = f"-{output.name}" if output.name else f"-{output.filename}"
        suffix = "" if output.name is None else Path(output.filename).suffix
        path = folder / f"{stem}{label}{suffix}"
        home = output.save(path, overwrite=overwrite, keep_same=keep_same)
        saved.append((output, home))
    return saved


def still_there(saved: Sequence[SavedFile], folder: Path) -> list[Path]:
    """The files in this folder that an earlier process saved; none if any is gone."""
    home = folder.resolve()
    paths = [file.path.resolve() for file in saved]
    kept = all(path.is_file() and path.parent == home for path in paths)
    return [folder / path.name for path in paths] if kept else []
