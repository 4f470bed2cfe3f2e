"""A photo without what its camera wrote into it: place, time, owner, thumbnail. Pure.

Photos that go out to a model must not carry the trip's cut-off ends in their metadata.
Only the picture itself is kept, byte by byte; nothing is decoded.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator

_PNG = b"\x89PNG\r\n\x1a\n"
_PNG_KEPT = {
    *(b"IHDR", b"PLTE", b"tRNS", b"gAMA", b"cHRM", b"sRGB", b"sBIT", b"bKGD", b"IDAT"),
    b"IEND",
}
_WEBP_KEPT = {b"VP8 ", b"VP8L", b"VP8X", b"ALPH", b"ANIM", b"ANMF"}
_SCAN, _END = 0xDA, 0xD9
_JPEG_DROPPED = {*range(0xE1, 0xF0), 0xFE} - {0xEE}
"""APP1 to APP15 and comments, but for APP14, which tells how colours are stored."""


def stripped(content: bytes) -> tuple[str, bytes]:
    """The media type of a picture, and its bytes without metadata.

    Raises:
        ValueError: it is no whole JPEG, PNG or WebP.
    """
    try:
        if content.startswith(b"\xff\xd8\xff"):
            return "image/jpeg", b"".join(_jpeg(content))
        if content.startswith(_PNG):
            return "image/png", _PNG + b"".join(_png(content))
        if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
            return "image/webp", _webp(content)
    except (IndexError, ValueError, struct.error):
        pass
    raise ValueError("it is no whole JPEG, PNG or WebP")


def _jpeg(content: bytes) -> Iterator[bytes]:
    """Up to the first end mark: what follows may be a preview, or anything."""
    yield content[:2]
    at = 2
    while True:
        while content[at : at + 2] == b"\xff\xff":
            at += 1  # padding
        marker = content[at + 1]
        if content[at] != 0xFF:
            raise IndexError
        if marker == _END:
            yield content[at : at + 2]
            return
        (length,) = struct.unpack_from(">H", content, at + 2)
        end = at + 2 + max(length, 2)
        if marker not in _JPEG_DROPPED:
            yield content[at:end]
        at = end
        if marker == _SCAN:
            at = _end_of_scan(content, end)
            yield content[end:at]


def _end_of_scan(content: bytes, at: int) -> int:
    """Where the next real marker begins: inside, 0xFF is followed by 0 or a restart."""
    while True:
        at = content.index(b"\xff", at)
        follows = content[at + 1]
        if follows and not 0xD0 <= follows <= 0xD7:
            return at
        at += 2


def _png(content: bytes) -> Iterator[bytes]:
    at = len(_PNG)
    while True:
        (length,) = struct.unpack_from(">I", content, at)
        kind = content[at + 4 : at + 8]
        end = at + 12 + length
        if end > len(content):
            raise IndexError
        if kind in _PNG_KEPT:
            yield content[at:end]
        if kind == b"IEND":
            return
        at = end


def _webp(content: bytes) -> bytes:
    (size,) = struct.unpack_from("<I", content, 4)
    if size + 8 > len(content):
        raise IndexError
    kept = bytearray(b"WEBP")
    at, stop = 12, size + 8
    while at + 8 <= stop:
        kind = content[at : at + 4]
        (length,) = struct.unpack_from("<I", content, at + 4)
        end = at + 8 + length + length % 2
        chunk = bytearray(content[at:end])
        if kind == b"VP8X":
            chunk[8] &= ~0b1100  # it has neither EXIF nor XMP any more
        if kind in _WEBP_KEPT:
            kept += chunk
        at = end
    return b"RIFF" + struct.pack("<I", len(kept)) + bytes(kept)
