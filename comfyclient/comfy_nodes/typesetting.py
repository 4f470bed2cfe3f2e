"""Breaks text into lines as Chinese and Latin typography ask for, and fits it. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

Measure = Callable[[str], float]

NOT_AT_START = (
    "，。、；：？！…—～·）》〉」』】〕］｝〗’”％‰℃,.;:?!)]}%»›°′″々ーっゃゅょッャュョ"
)
NOT_AT_END = "（《〈「『【〔［｛〖‘“([{«‹￥$€£#"
ELLIPSIS = "…"

_CJK = "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef\U00020000-\U0003ffff"
_UNITS = re.compile(rf"\n|[^\S\n]+|[{_CJK}]|[^\s{_CJK}]+")


@dataclass(frozen=True)
class Fitted:
    """Text as it will be set: its size and its lines."""

    size: int
    lines: list[str]


def units(text: str) -> list[str]:
    """The pieces between which a line may break; spaces and newlines are their own."""
    found: list[str] = []
    for unit in (piece for part in _UNITS.findall(text) for piece in _parts(part)):
        if found and _clings(found[-1], unit):
            found[-1] += unit
        else:
            found.append(unit)
    return found


def _parts(part: str) -> list[str]:
    """A Latin run, also divided after the dashes and slashes it may break at."""
    if part.isspace():
        return [part]
    return [piece for piece in re.split(r"(?<=[-–/])(?=\w)", part) if piece]


def _clings(before: str, unit: str) -> bool:
    if before.isspace() or unit.isspace():
        return False
    return unit[0] in NOT_AT_START or before[-1] in NOT_AT_END


def wrap(text: str, *, width: float, measure: Measure) -> list[str]:
    """The text in lines no wider than `width`.

    A Latin word is divided only where it is longer than a whole line; no line starts
    with closing or ends with opening punctuation while there is another way.
    """
    lines: list[str] = []
    line = ""
    for unit in units(text):
        if unit == "\n":
            lines.append(line.rstrip())
            line = ""
        elif measure((line + unit).rstrip()) <= width:
            line = line + unit if line or not unit.isspace() else line
        elif unit.isspace():
            line += " "
        else:
            if line.strip():
                lines.append(line.rstrip())
            *full, line = _divided(unit, width=width, measure=measure)
            lines += full
    if line.strip():
        lines.append(line.rstrip())
    return [line for line in lines if line]


def _divided(unit: str, *, width: float, measure: Measure) -> list[str]:
    pieces: list[str] = []
    piece = ""
    for sign in unit:
        if piece and measure(piece + sign) > width:
            pieces.append(piece)
            piece = ""
        piece += sign
    return [*pieces, piece]


def balanced(text: str, *, width: float, measure: Measure) -> list[str]:
    """The text in as few lines as `wrap` needs, but of similar lengths."""
    lines = wrap(text, width=width, measure=measure)
    if len(lines) < 2:
        return lines
    low, high = width / len(lines) * 0.8, width
    for _ in range(8):
        middle = (low + high) / 2
        tried = wrap(text, width=middle, measure=measure)
        if len(tried) <= len(lines) and max(map(measure, tried)) <= middle:
            high, lines = middle, tried
        else:
            low = middle
    return lines


def shortened(text: str, *, width: float, measure: Measure) -> str:
    """The text cut to a width, its end marked with an ellipsis."""
    if measure(text) <= width:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if measure(text[:middle].rstrip() + ELLIPSIS) <= width:
            low = middle
        else:
            high = middle - 1
    return text[:low].rstrip(" " + NOT_AT_END) + ELLIPSIS


def fit(
    text: str,
    *,
    width: float,
    most_lines: int,
    sizes: range,
    measure: Callable[[int], Measure],
) -> Fitted:
    """The text at the largest size that needs no more than so many lines.

    Where even the smallest needs more, the last line ends in an ellipsis.
    """
    lines: list[str] = []
    for size in sizes:
        gauge = measure(size)
        lines = balanced(text, width=width, measure=gauge)
        if len(lines) <= most_lines and not _broken(lines, text):
            return Fitted(size, lines)
    size = sizes[-1]
    gauge = measure(size)
    if len(lines) <= most_lines:
        return Fitted(size, lines)
    lines = wrap(text, width=width, measure=gauge)
    kept = lines[: most_lines - 1]
    rest = " ".join(lines[most_lines - 1 :])
    kept.append(shortened(rest, width=width, measure=gauge))
    return Fitted(size, [*kept[:-1], _marked(kept[-1], width=width, measure=gauge)])


def _broken(lines: list[str], text: str) -> bool:
    """Whether a word had to be divided."""
    words = set(text.split())
    return any(
        len(word) > 1 and word not in words and word.isascii() and word.isalpha()
        for line in lines
        for word in line.split()
    )


def _marked(line: str, *, width: float, measure: Measure) -> str:
    if line.endswith(ELLIPSIS):
        return line
    return shortened(line + ELLIPSIS * 2, width=width, measure=measure)
