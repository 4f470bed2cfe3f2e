"""Small pictures of large ones, as data URIs for a page that stands alone."""

from __future__ import annotations

import base64
import io
import warnings
from pathlib import Path

from PIL import Image, ImageOps

LONGEST_SIDE = 360
_QUALITY = 78
_KINDS = {"PNG", "JPEG", "WEBP", "GIF"}


def thumbnail(path: Path) -> str | None:
    """The picture at most 360 pixels wide and high; None where it is none."""
    try:
        with warnings.catch_warnings():
            # a picture of a size that only an attack has is not decoded
            warnings.simplefilter("error", Image.DecompressionBombWarning)
            return _shrunk(path)
    except (OSError, ValueError, SyntaxError, Warning, Image.DecompressionBombError):
        return None


def _shrunk(path: Path) -> str:
    with Image.open(path, formats=sorted(_KINDS)) as picture:
        picture.draft("RGB", (LONGEST_SIDE, LONGEST_SIDE))
        upright = ImageOps.exif_transpose(picture)
        upright.thumbnail((LONGEST_SIDE, LONGEST_SIDE))
        body = io.BytesIO()
        upright.convert("RGB").save(body, "WEBP", quality=_QUALITY)
    return f"data:image/webp;base64,{base64.b64encode(body.getvalue()).decode()}"
