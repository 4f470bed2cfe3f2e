"""Finds a font with Chinese coverage, and sets its weight."""

from __future__ import annotations

import importlib.util
import os
import unicodedata
from functools import lru_cache
from pathlib import Path

from PIL import ImageFont

from . import inputs
from .reading import bad

FONT_VARIABLE = "COMFYCLIENT_FONT"
_PACKAGES = ("manimgx_fonts_cjk", "pylopdf_fonts_zh_cn")
_SUFFIXES = {".ttf", ".otf", ".ttc", ".otc"}
_SYSTEM = (
    "/usr/share/fonts/opentype/noto/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/google-noto-cjk/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/google-noto-sans-cjk-fonts/NotoSansCJK-Regular.ttc",
    "/usr/share/fonts/google-noto-sans-cjk-vf-fonts/NotoSansCJK-VF.ttc",
    "/usr/share/fonts/truetype/wqy/wqy-zenhei.ttc",
    "/System/Library/Fonts/PingFang.ttc",
    "/System/Library/Fonts/Hiragino Sans GB.ttc",
    "C:/Windows/Fonts/msyh.ttc",
)
_REMEDY = (
    "give the node's font input the path of a .ttf, .otf or .ttc file, set "
    f"{FONT_VARIABLE} to one, or pip install manimgx-fonts-cjk"
)

FONT_INPUT = inputs.line("Path of a font file; empty to find one.")

Font = ImageFont.FreeTypeFont


def find_font(given: str) -> str:
    """The path of the font to use: the given one, else the first one found.

    Raises:
        ValueError: the given file is not a font, or none was found.
    """
    if given.strip():
        return _checked("font", given.strip())
    from_environment = os.environ.get(FONT_VARIABLE, "").strip()
    if from_environment:
        return _checked(FONT_VARIABLE, from_environment)
    for path in [*_packaged(), *(Path(name) for name in _SYSTEM)]:
        if path.is_file():
            return str(path)
    raise bad("font", value=given, why="no font was found", remedy=_REMEDY)


def _checked(name: str, value: str) -> str:
    path = Path(value)
    if path.suffix.lower() not in _SUFFIXES or not path.is_file():
        raise bad(name, value=value, why="not a font file", remedy=_REMEDY)
    try:
        ImageFont.truetype(value, 12)
    except OSError as error:
        why = f"not a readable font: {error}"
        raise bad(name, value=value, why=why, remedy=_REMEDY) from error
    return value


def _packaged() -> list[Path]:
    found: list[Path] = []
    for package in _PACKAGES:
        spec = importlib.util.find_spec(package)
        for folder in (spec.submodule_search_locations or []) if spec else []:
            files = sorted(Path(folder).iterdir())
            found += [file for file in files if file.suffix.lower() in _SUFFIXES]
    return found


@lru_cache(maxsize=64)
def face(path: str, *, size: int, weight: int) -> Font:
    """The font at a size in pixels, at a weight from 100 to 900 where it can vary.

    The basic layout is used everywhere, so that a card does not change with the
    libraries that a machine happens to have.
    """
    font = _open(path, size=size, index=_region(path))
    try:
        axes = font.get_variation_axes()
    except (OSError, NotImplementedError):
        return font
    values = [axis["default"] or axis["minimum"] or 0 for axis in axes]
    for i, axis in enumerate(axes):
        name = axis["name"]
        if b"eight" in (name if isinstance(name, bytes) else b""):
            low, high = axis["minimum"] or 100, axis["maximum"] or 900
            values[i] = min(max(weight, low), high)
    font.set_variation_by_axes([float(value) for value in values])
    return font


def _open(path: str, *, size: int, index: int) -> Font:
    basic = ImageFont.Layout.BASIC
    return ImageFont.truetype(path, size, index=index, layout_engine=basic)


@lru_cache(maxsize=16)
def _region(path: str) -> int:
    """The face of a collection that draws Chinese as the mainland writes it."""
    if not path.lower().endswith(("ttc", "otc")):
        return 0
    for index in range(16):
        try:
            family = _open(path, size=12, index=index).getname()[0]
        except OSError:
            return 0
        if family is not None and family.endswith((" SC", " SC VF")):
            return index
    return 0


def normalised(text: str) -> str:
    """The text composed, without controls, joiners and variation selectors."""
    composed = unicodedata.normalize("NFC", text)
    plain = (" " if sign in "\t\u00a0\u3000\u2028\u2029" else sign for sign in composed)
    return "".join(sign for sign in plain if sign == "\n" or _visible(sign)).strip()


def _visible(sign: str) -> bool:
    if "\ufe00" <= sign <= "\ufe0f" or "\U000e0100" <= sign <= "\U000e01ef":
        return False
    return unicodedata.category(sign) not in {"Cc", "Cf", "Cs"}


def check_glyphs(name: str, text: str, *, path: str) -> None:
    """Make sure that the font can draw the text.

    Raises:
        ValueError: a character has no glyph; it, the input and the font are named.
    """
    for sign in text:
        if not _has_glyph(path, sign):
            kind = "an emoji" if _is_emoji(sign) else "a character"
            why = (
                f"has {kind} that the font {Path(path).name} cannot draw: "
                f"{sign!r} U+{ord(sign):04X}"
            )
            remedy = "leave it out or give a font that has it"
            raise bad(name, value=text, why=why, remedy=remedy)


def _is_emoji(sign: str) -> bool:
    return "\U0001f000" <= sign <= "\U0001faff" or "\u2600" <= sign <= "\u27bf"


@lru_cache(maxsize=4096)
def _has_glyph(path: str, sign: str) -> bool:
    """Whether the font draws the character other than as its "missing" box."""
    if sign.isspace():
        return True
    font = face(path, size=32, weight=400)
    drawn, missing = font.getmask(sign), font.getmask("\U0010fffe")
    return drawn.size != missing.size or bytes(drawn) != bytes(missing)
