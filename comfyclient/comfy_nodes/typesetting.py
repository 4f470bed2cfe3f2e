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

_CJK = (
    "\u2e80-\u9fff\uac00-\ud7af\uf900-\ufaff\ufe30-\ufe4f\uff00-\uffef"
    "\U00020000-\U0003ffff"
)
_LATIN = re.compile(rf"[^\s{_CJK}]+")
_PHRASE_ENDS = "，。、；：！？—…·,;:!?–"
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
    line, used = "", 0.0
    for unit in units(text):
        wide = 0.0 if unit == "\n" else measure(unit)
        if unit == "\n":
            lines.append(line.rstrip())
            line, used = "", 0.0
        elif unit.isspace():
            line, used = (line + unit, used + wide) if line else (line, used)
        elif used + wide <= width:
            line, used = line + unit, used + wide
        else:
            lines.append(line.rstrip())
            *full, line = _divided(unit, width=width, measure=measure)
            lines += full
            used = measure(line)
    return [line for line in [*lines, line.rstrip()] if line]


def _divided(unit: str, *, width: float, measure: Measure) -> list[str]:
    if measure(unit) <= width:
        return [unit]
    pieces: list[str] = []
    piece, used = "", 0.0
    for sign in unit:
        wide = measure(sign)
        if piece and used + wide > width:
            pieces.append(piece)
            piece, used = "", 0.0
        piece, used = piece + sign, used + wide
    return [*pieces, piece]


def balanced(text: str, *, width: float, measure: Measure) -> list[str]:
    """The text in as few lines as `wrap` needs, of similar lengths.

    Two lines part at the end of a phrase where that leaves them similar enough.
    """
    lines = wrap(text, width=width, measure=measure)
    if len(lines) < 2 or "\n" in text:
        return lines
    phrases = _phrased(text, width=width, measure=measure) if len(lines) == 2 else None
    return phrases or _evened(text, lines, width=width, measure=measure)


def _evened(
    text: str, lines: list[str], *, width: float, measure: Measure
) -> list[str]:
    low, high = width / len(lines) * 0.8, width
    for _ in range(8):
        middle = (low + high) / 2
        tried = wrap(text, width=middle, measure=measure)
        if len(tried) <= len(lines) and not _broken(tried, text):
            high, lines = middle, tried
        else:
            low = middle
    return lines


def _phrased(text: str, *, width: float, measure: Measure) -> list[str] | None:
    best, least = None, 0.45
    for i in range(1, len(text)):
        first, second = text[:i].rstrip(), text[i:].lstrip()
        ends = text[i - 1] in _PHRASE_ENDS and bool(second)
        if not ends or second[0] in NOT_AT_START or first[-1:].isdigit():
            continue
        if text[i - 1] in ",:" and not text[i].isspace():
            continue
        short, long = sorted((measure(first), measure(second)))
        if long <= width and short / long > least:
            best, least = [first, second], short / long
    return best


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
) -> Fitted | None:
    """The text at the largest size that needs no more than so many lines.

    None where even the smallest needs more or would divide a word.
    """
    for size in sizes:
        lines = balanced(text, width=width, measure=measure(size))
        if len(lines) <= most_lines and not _broken(lines, text):
            return Fitted(size, lines)
    return None


def cropped(text: str, *, width: float, most_lines: int, measure: Measure) -> list[str]:
    """The text in lines; what is too many is cut and marked with an ellipsis."""
    lines = wrap(text, width=width, measure=measure)
    if len(lines) <= most_lines:
        return lines
    if most_lines < 1:
        return []
    last = lines[most_lines - 1]
    while last and measure(last + ELLIPSIS) > width:
        last = last[:-1]
    closed = last.rstrip(" " + NOT_AT_END + "，。、；：,.;:") + ELLIPSIS
    return [*lines[: most_lines - 1], closed]


def _broken(lines: list[str], text: str) -> bool:
    """Whether a Latin word had to be divided."""
    whole = _words(text)
    return any(not _words(line) <= whole for line in lines)


def _words(text: str) -> set[str]:
    return {piece for run in _LATIN.findall(text) for piece in _parts(run)}
