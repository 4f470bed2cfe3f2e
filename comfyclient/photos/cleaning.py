"""Makes a photo fit to be sent: whole, upright, not too large, without where and who.

Needs Pillow, and is imported late for that.
"""

from __future__ import annotations

import struct
import warnings
from io import BytesIO

from PIL import Image, ImageOps, UnidentifiedImageError

from .kinds import HEADER_BYTES, image_suffix, what_else
from .stripping import stripped

_KINDS = ("PNG", "JPEG", "WEBP")
_ORIENTATION = 0x0112
_SUFFIXES = {"PNG": ".png", "WEBP": ".webp"}


def cleaned(content: bytes, *, max_megapixels: float) -> tuple[bytes, str]:
    """A photo's bytes without metadata, turned as it was meant, and its suffix.

    One that stands upright keeps its very pixels.

    Raises:
        ValueError: it is no whole picture, or has too many pixels.
    """
    header = content[:HEADER_BYTES]
    if image_suffix(header) is None:
        raise ValueError(what_else(header) or "it is no PNG, JPEG or WebP")
    with warnings.catch_warnings():
        # its size is judged by our own limit, before anything is decoded
        warnings.simplefilter("ignore", Image.DecompressionBombWarning)
        try:
            with Image.open(BytesIO(content), formats=_KINDS) as image:
                _check_size(image, max_megapixels)
                image.load()
                return _cleaned(image, content)
        except Image.DecompressionBombError:
            raise ValueError(_too_many(max_megapixels)) from None
        except UnidentifiedImageError:
            raise ValueError("it is no picture behind its first bytes") from None
        except (OSError, SyntaxError, EOFError, struct.error, MemoryError) as error:
            raise ValueError(f"it is not whole: {error}"[:120]) from None


def _check_size(image: Image.Image, max_megapixels: float) -> None:
    width, height = image.size
    if width * height > max_megapixels * 1e6:
        raise ValueError(f"{_too_many(max_megapixels)}: it is {width} x {height}")


def _too_many(max_megapixels: float) -> str:
    return f"it has more than {max_megapixels:g} megapixels"


def _cleaned(image: Image.Image, content: bytes) -> tuple[bytes, str]:
    kind = image.format or "JPEG"
    suffix = _SUFFIXES.get(kind, ".jpg")
    if image.getexif().get(_ORIENTATION, 1) == 1 and image.mode != "CMYK":
        return stripped(content)[1], suffix
    upright = ImageOps.exif_transpose(image)
    body = BytesIO()
    profile = image.info.get("icc_profile") if image.mode != "CMYK" else None
    if suffix == ".jpg":
        plain = upright if upright.mode in {"RGB", "L"} else upright.convert("RGB")
        plain.save(body, "JPEG", quality=93, icc_profile=profile)
    else:
        upright.info.clear()  # texts, and EXIF that would be written again
        upright.save(body, kind, icc_profile=profile)
    return stripped(body.getvalue())[1], suffix
