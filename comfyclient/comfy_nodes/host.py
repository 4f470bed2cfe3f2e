"""Speaks with the process that runs the nodes: tensors, progress, interrupts.

A real ComfyUI brings torch and a `comfy` package; another engine may bring neither.
Both are only looked up among the modules already loaded, never imported.
"""

from __future__ import annotations

import sys
from typing import Any

import numpy as np

from .colour import Floats


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
    batch = _array(image)
    if batch.ndim != 4 or batch.shape[3] not in (1, 3, 4) or 0 in batch.shape:
        why = f"is no batch of pictures, its shape is {batch.shape}"
        raise ValueError(f"{name}: {why}; link an IMAGE output")
    first: Floats = batch[0]
    return np.repeat(first, 3, axis=2) if first.shape[2] == 1 else first[..., :3]


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


class Steps:
    """The progress of one node, which also notices that the user interrupted it."""

    def __init__(self, total: int) -> None:
        utils = sys.modules.get("comfy.utils")
        bar = getattr(utils, "ProgressBar", None)
        self._bar = None if bar is None else bar(total)

    def done(self) -> None:
        """Report one more step.

        Raises:
            Exception: the host's own, when the user interrupted the job.
        """
        management = sys.modules.get("comfy.model_management")
        stop = getattr(management, "throw_exception_if_processing_interrupted", None)
        if stop is not None:
            stop()
        if self._bar is not None:
            self._bar.update(1)
