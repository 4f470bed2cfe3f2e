"""Photos that go out: the picture stays, what the camera wrote goes."""

from __future__ import annotations

import io
import random

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from comfyclient.photos.stripping import stripped

GPS = 0x8825


def picture(kind: str, **options: object) -> bytes:
    """A small picture with a place in it."""
    image = Image.effect_noise((40, 30), 60).convert("RGB")
    exif = Image.Exif()
    exif[0x010F] = "SECRET-CAMERA"
    exif.get_ifd(GPS)[2] = (36.0, 37.0, 38.0)
    out = io.BytesIO()
    image.save(out, kind, exif=exif, **options)
    return out.getvalue()


def pixels(content: bytes) -> bytes:
    """What is to be seen."""
    return Image.open(io.BytesIO(content)).convert("RGB").tobytes()


@pytest.mark.parametrize(
    ("kind", "options"),
    [
        ("JPEG", {"comment": b"SECRET-COMMENT"}),
        ("JPEG", {"progressive": True}),
        ("JPEG", {"restart_marker_blocks": 2}),
        ("PNG", {}),
        ("WEBP", {"lossless": True}),
        ("WEBP", {"quality": 80}),
    ],
)
def test_the_picture_is_the_same(kind: str, options: dict[str, object]) -> None:
    """Every pixel, and nothing of camera, place or comment."""
    whole = picture(kind, **options)
    media_type, bare = stripped(whole)

    assert media_type == f"image/{kind.lower()}"
    assert b"SECRET" in whole
    assert b"SECRET" not in bare
    assert not Image.open(io.BytesIO(bare)).getexif()
    assert pixels(bare) == pixels(whole)


def test_texts_and_what_follows_the_end_go_too() -> None:
    """PNG texts, and bytes behind the end of a picture."""
    info = PngInfo()
    info.add_itxt("where", "SECRET")
    png = picture("PNG", pnginfo=info) + b"SECRET"
    jpeg = picture("JPEG") + picture("JPEG")

    assert b"SECRET" not in stripped(png)[1]
    assert len(stripped(jpeg)[1]) < len(jpeg) // 2


def test_damaged_ones_are_told() -> None:
    """Whatever the bytes are: a picture, or one kind of error, and never a hang."""
    chance = random.Random(7)
    for kind in ("JPEG", "PNG", "WEBP"):
        whole = picture(kind)
        for _ in range(300):
            data = bytearray(whole[: chance.randint(0, len(whole))])
            for _ in range(chance.randint(0, 5)):
                if data:
                    data[chance.randrange(len(data))] = chance.randrange(256)
            try:
                stripped(bytes(data))
            except ValueError as error:
                assert "no whole" in str(error)  # noqa: PT017  either is right
