"""What a file is by its first bytes, whatever it is called. Pure."""

from __future__ import annotations

HEADER_BYTES = 512

_EXPORT = "export it as JPEG"
_HEIC = frozenset({b"heic", b"heix", b"hevc", b"heim", b"heis", b"mif1", b"msf1"})


def image_suffix(header: bytes) -> str | None:
    """The suffix of a picture that is taken; None for anything else."""
    if header.startswith(b"\x89PNG\r\n\x1a\n"):
        return ".png"
    if header.startswith(b"\xff\xd8\xff"):
        return ".jpg"
    if header[:4] == b"RIFF" and header[8:12] == b"WEBP":
        return ".webp"
    return None


def what_else(header: bytes) -> str:
    """What a file is that is not taken, and what to do; empty where nobody knows."""
    brand = header[8:12] if header[4:8] == b"ftyp" else b""
    text = header.lstrip(b"\xef\xbb\xbf \t\r\n").lower()
    if brand in _HEIC:
        return f"it is a HEIC, as iPhones make them: {_EXPORT}"
    if brand == b"avif":
        return f"it is an AVIF: {_EXPORT}"
    if header.startswith((b"GIF87a", b"GIF89a")):
        return f"it is a GIF: {_EXPORT}"
    if header.startswith((b"II*\0", b"MM\0*")):
        return f"it is a TIFF or a camera's raw file: {_EXPORT}"
    if b"<svg" in text or text.startswith(b"<?xml"):
        return "it is an SVG, a drawing and no photo"
    return "it is a web page" if text.startswith((b"<!doctype", b"<html")) else ""
