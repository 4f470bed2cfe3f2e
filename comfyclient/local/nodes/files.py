"""Core nodes that read and write picture files."""

# ruff: noqa: N802 - ComfyUI's node interface fixes these names

from __future__ import annotations

import hashlib
import mimetypes
import random
import string
import time
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from ..context import current
from ..folders import OutsideFolderError, listed_files
from ..pictures import (
    Array,
    as_batch,
    as_mask,
    from_picture,
    load,
    png_text,
    to_picture,
    upright,
)
from .interface import CoreNode, Inputs, SecondSchemaNode


def _input_pictures() -> list[str]:
    names = listed_files(current().folders.input)
    guesses = {name: mimetypes.guess_type(name)[0] or "" for name in names}
    return [name for name in names if guesses[name].startswith("image/")]


def _digest(name: str) -> str:
    with current().folders.input_file(name).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _is_there(name: Any) -> bool | str:
    try:
        found = current().folders.input_file(name).is_file()
    except OutsideFolderError:
        found = False
    return True if found else f"Invalid image file: {name}"


class LoadImage(CoreNode):
    """A picture of the input folder, and its transparency."""

    DISPLAY_NAME = "Load Image"
    ESSENTIALS_CATEGORY = "Basics"
    RETURN_TYPES = ("IMAGE", "MASK")

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        return {"required": {"image": (_input_pictures(), {"image_upload": True})}}

    @classmethod
    def IS_CHANGED(cls, image: str) -> str:
        """What the file holds now."""
        return _digest(image)

    @classmethod
    def VALIDATE_INPUTS(cls, image: str) -> bool | str:
        """Whether the file is there."""
        return _is_there(image)

    def run(self, image: str) -> tuple[Array, Array]:
        """Run the node."""
        return load(current().folders.input_file(image))


class LoadImageMask(CoreNode):
    """One channel of a picture of the input folder."""

    DISPLAY_NAME = "Load Image (as Mask)"
    ESSENTIALS_CATEGORY = "Image Tools"
    RETURN_TYPES = ("MASK",)
    _CHANNELS = ("alpha", "red", "green", "blue")

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        return {
            "required": {
                "image": (_input_pictures(), {"image_upload": True}),
                "channel": (list(cls._CHANNELS),),
            }
        }

    @classmethod
    def IS_CHANGED(cls, image: str, channel: str) -> str:
        """What the file holds now."""
        return _digest(image)

    @classmethod
    def VALIDATE_INPUTS(cls, image: str) -> bool | str:
        """Whether the file is there."""
        return _is_there(image)

    def run(self, image: str, channel: str) -> tuple[Array]:
        """Run the node."""
        with Image.open(current().folders.input_file(image)) as opened:
            picture = upright(opened).convert("RGBA")
        band = from_picture(picture.getchannel(channel[0].upper()))[..., 0]
        return (np.float32(1) - band if channel == "alpha" else band,)


class SaveImage(CoreNode):
    """Pictures as PNG files in the output folder."""

    DISPLAY_NAME = "Save Image"
    ESSENTIALS_CATEGORY = "Basics"
    RETURN_NAMES = ("images",)
    RETURNS_SINCE_SAVING_DOES = True
    OUTPUT_NODE = True
    _KIND = "output"
    _COMPRESSION = 4

    def __init__(self) -> None:
        self._suffix = ""

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        return {
            "required": {
                "images": ("IMAGE", {}),
                "filename_prefix": ("STRING", {"default": "ComfyUI"}),
            },
            "hidden": {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"},
        }

    def run(
        self,
        images: Any,
        filename_prefix: str = "ComfyUI",
        prompt: Any = None,
        extra_pnginfo: Any = None,
    ) -> dict[str, Any]:
        """Run the node."""
        shown = self.saved(
            as_batch(images), filename_prefix, prompt=prompt, extra=extra_pnginfo
        )
        return {"ui": {"images": shown}, "result": (images,)}

    def saved(
        self, batch: Array, prefix: str, *, prompt: Any, extra: Any
    ) -> list[dict[str, str]]:
        """Write the batch; returns what the client is shown."""
        root = current().folders.of_kind(self._KIND) or Path()
        place = current().folders.save_place(
            prefix + self._suffix,
            root=root,
            width=batch.shape[2],
            height=batch.shape[1],
        )
        text = png_text(prompt=prompt, extra=extra)
        shown = []
        for number, array in enumerate(batch):
            stem = place.stem.replace("%batch_num%", str(number))
            name = f"{stem}_{place.counter + number:05}_.png"
            to_picture(array).save(
                place.folder / name, pnginfo=text, compress_level=self._COMPRESSION
            )
            about = {"filename": name, "subfolder": place.subfolder}
            shown.append({**about, "type": self._KIND})
        return shown


class PreviewImage(SaveImage):
    """Pictures as PNG files in the temp folder."""

    DISPLAY_NAME = "Preview Image"
    _KIND = "temp"
    _COMPRESSION = 1

    def __init__(self) -> None:
        letters = random.choices(string.ascii_lowercase, k=5)
        self._suffix = "_temp_" + "".join(letters)

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        return {
            "required": {"images": ("IMAGE",)},
            "hidden": {"prompt": "PROMPT", "extra_pnginfo": "EXTRA_PNGINFO"},
        }


class MaskPreview(SecondSchemaNode):
    """Masks as grey PNG files in the temp folder."""

    NEEDS = "value_nodes"
    RELATIVE_PYTHON_MODULE = "comfy_extras.nodes_mask"
    DISPLAY_NAME = "Preview Mask"
    CATEGORY = "image/mask"
    RETURN_TYPES = ("MASK",)
    RETURN_NAMES = ("mask",)
    RETURNS_SINCE_SAVING_DOES = True
    OUTPUT_NODE = True

    def __init__(self) -> None:
        self._preview = PreviewImage()

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        return {
            "required": {"mask": ("MASK", {})},
            "hidden": {"prompt": ["PROMPT"], "extra_pnginfo": ["EXTRA_PNGINFO"]},
        }

    def run(
        self, mask: Any, prompt: Any = None, extra_pnginfo: Any = None
    ) -> dict[str, Any]:
        """Run the node."""
        grey = np.repeat(as_mask(mask)[..., None], 3, axis=-1)
        shown = self._preview.saved(grey, "ComfyUI", prompt=prompt, extra=extra_pnginfo)
        return {"ui": {"images": shown}, "result": (mask,)}


class SaveImageWebsocket(CoreNode):
    """Pictures sent as PNG over the websocket, and nowhere else."""

    RELATIVE_PYTHON_MODULE = "custom_nodes.websocket_image_save"
    DISPLAY_NAME = "SaveImageWebsocket"
    CATEGORY = "api/image"
    RETURN_TYPES = ()
    OUTPUT_NODE = True

    @classmethod
    def INPUT_TYPES(cls) -> Inputs:
        """Inputs of the node."""
        return {"required": {"images": ("IMAGE",)}}

    @classmethod
    def IS_CHANGED(cls, images: Any) -> float:
        """Always: what was sent once is gone."""
        return time.time()

    def run(self, images: Any) -> dict[str, Any]:
        """Run the node."""
        batch, execution = as_batch(images), current().execution
        for number, array in enumerate(batch):
            if execution is not None:
                preview = ("PNG", to_picture(array), None)
                execution.report_progress(number, len(batch), preview=preview)
        return {}


CLASSES = (
    LoadImage,
    LoadImageMask,
    SaveImage,
    PreviewImage,
    MaskPreview,
    SaveImageWebsocket,
)
