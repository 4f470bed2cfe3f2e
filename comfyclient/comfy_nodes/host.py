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
