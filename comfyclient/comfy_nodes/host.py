"""Speaks with the process that runs the nodes: tensors, progress, interrupts.

A real ComfyUI brings torch and a `comfy` package; another engine may bring neither.
Both are only looked up among the modules already loaded, never imported.
"""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, wait
from typing import Any, TypeVar

import numpy as np

from .colour import Floats

_GLANCE_S = 0.1
"""How long an interrupt may go unnoticed in a wait."""
_Answer = TypeVar("_Answer")


def images_out(pictures: Floats) -> Any:
    """Pictures [number, height, width, 3] as the host's IMAGE."""
    return _tensor(np.ascontiguousarray(np.clip(pictures, 0, 1), np.float32))


def image_out(pixels: Floats) -> Any:
    """Pixels [height, width, 3] as the host's IMAGE: a batch of one."""
    return _tensor(np.ascontiguousarray(np.clip(pixels, 0, 1)[None], np.float32))


def mask_out(coverage: Floats) -> Any:
    """Coverage [height, width] as the host's MASK: a batch of one."""
    return _tensor(np.ascontiguousarray(np.clip(coverage, 0, 1)[None], np.float32))


def image_in(name: str, image: Any) -> Floats:
    """The first picture of the host's IMAGE, as pixels [height, width, 3].

    Raises:
        ValueError: it is no picture, or an empty batch.
    """
    first: Floats = images_in(name, image)[0]
    return first


def images_in(name: str, image: Any) -> Floats:
    """All pictures of the host's IMAGE, as pixels [number, height, width, 3].

    Raises:
        ValueError: it is no picture, or an empty batch.
    """
    batch = _array(image)
    if batch.ndim != 4 or batch.shape[3] not in (1, 3, 4) or 0 in batch.shape:
        why = f"is no batch of pictures, its shape is {batch.shape}"
        raise ValueError(f"{name}: {why}; link an IMAGE output")
    return np.repeat(batch, 3, axis=3) if batch.shape[3] == 1 else batch[..., :3]


def mask_in(name: str, mask: Any) -> Floats:
    """The first mask of the host's MASK, as coverage [height, width].

    Raises:
        ValueError: it is no mask, or an empty batch.
    """
    batch = _array(mask)
    batch = batch[None] if batch.ndim == 2 else batch
    if batch.ndim != 3 or 0 in batch.shape:
        why = f"is no batch of masks, its shape is {batch.shape}"
        raise ValueError(f"{name}: {why}; link a MASK output")
    first: Floats = batch[0]
    return first


def _array(tensor: Any) -> Floats:
    """A copy in memory that is ours; a tensor may lie on a GPU."""
    if hasattr(tensor, "detach"):
        tensor = tensor.detach().cpu().float().numpy()
    found: Floats = np.array(tensor, np.float32)
    np.nan_to_num(found, copy=False)
    np.clip(found, 0, 1, out=found)
    return found


def _tensor(array: Floats) -> Any:
    torch = sys.modules.get("torch")
    return array if torch is None else torch.from_numpy(array)


def stop_if_interrupted() -> None:
    """Notice that the user interrupted the job.

    Raises:
        Exception: the host's own, when it was interrupted.
    """
    management = sys.modules.get("comfy.model_management")
    stop = getattr(management, "throw_exception_if_processing_interrupted", None)
    if stop is not None:
        stop()


def pause(seconds: float) -> None:
    """Wait, unless the user interrupts the job.

    Raises:
        Exception: the host's own, when it was interrupted.
    """
    ends = time.monotonic() + seconds
    while (left := ends - time.monotonic()) > 0:
        stop_if_interrupted()
        time.sleep(min(left, _GLANCE_S))
    stop_if_interrupted()


def away(
    call: Callable[[], _Answer], *, forsaken: Callable[[_Answer], None] | None = None
) -> _Answer:
    """What a call gives that may take long; an interrupt does not wait for it.

    The call goes on in a thread of its own until it ends by itself, so it must have a
    limit. What it raises is raised here; what it gives after an interrupt goes to
    `forsaken`, in that thread.

    Raises:
        Exception: the call's own, or the host's, when the job was interrupted.
    """
    outcome: Future[_Answer] = Future()

    def run() -> None:
        try:
            outcome.set_result(call())
        except BaseException as error:  # noqa: BLE001  raised where it is waited for
            outcome.set_exception(error)

    def undo(late: Future[_Answer]) -> None:
        if forsaken is not None and late.exception() is None:
            forsaken(late.result())

    threading.Thread(target=run, name="comfyclient-away", daemon=True).start()
    try:
        while not wait([outcome], _GLANCE_S).done:
            stop_if_interrupted()
        stop_if_interrupted()
    except BaseException:
        outcome.add_done_callback(undo)
        raise
    return outcome.result()


class Steps:
    """The progress of one node, which also notices that the user interrupted it."""

    def __init__(self, total: int) -> None:
        utils = sys.modules.get("comfy.utils")
        bar = getattr(utils, "ProgressBar", None)
        self._bar = None if bar is None else bar(total)
        self._total = total

    def done(self) -> None:
        """Report one more step.

        Raises:
            Exception: the host's own, when the user interrupted the job.
        """
        stop_if_interrupted()
        if self._bar is not None:
            self._bar.update(1)

    def reach(self, value: int) -> None:
        """Report that so many steps are done.

        Raises:
            Exception: the host's own, when the user interrupted the job.
        """
        stop_if_interrupted()
        if self._bar is not None:
            self._bar.update_absolute(value, self._total)

    def finish(self) -> None:
        """Report the last step.

        Raises:
            Exception: the host's own, when the user interrupted the job.
        """
        self.reach(self._total)
