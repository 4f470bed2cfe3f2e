"""Checks words that a model wrote, before they come near a picture. Pure.

A picture goes to a public community and cannot be taken back. So a text passes only if
it is short, in one language, in characters that the pictures' font has, and without
what leads somewhere: addresses, numbers to call, marks of code. What is wrong is said
in words that the model understands, for it is asked once more.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable

_IGNORED = re.compile(
    "[\U0001f000-\U0001faff\u2600-\u27bf\u2b00-\u2bff\ufe0e\ufe0f\u200d\u20e3]"
)
"""Emoji and what joins them: models like them, pictures leave them out."""
_ALLOWED = re.compile(
    r"[ !#%&'()*+,\-./0-9:;=?A-Za-z°±·×÷"
    r"\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u00fe\u0152\u0153"
    r"\u2013\u2014\u2018\u2019\u201c\u201d\u2026\u2103"
    r"\u3001\u3002\u3008-\u3011\u4e00-\u9fa5"
    r"\uff01\uff08\uff09\uff0c\uff1a\uff1b\uff1f\uff5e]"
)
_CODE = re.compile(r"[{}<>`$\\|\[\]^~_\"@]")
_TOP = "com|cn|net|org|io|top|xyz|cc|app|me|info|shop|site|vip|club|co|tv|link|ru|de"
_LINK = re.compile(rf"(https?:|www\.|[\w-]\.({_TOP})\b)", re.IGNORECASE)
_NUMBERS = re.compile(r"\d(?:[ .-]?\d){6,}")
"""Seven digits and more are a number to call, never a figure of a trip."""
_PLATE = re.compile(r"\b[A-HJ-NPR-Z0-9]{17}\b|[\u4e00-\u9fa5][A-Z][·.]?[A-Z0-9]{5,6}\b")
"""A vehicle's number, or a Chinese plate."""
_TALK = re.compile(
    r"as an ai|language model|i cannot|i can't|i'm sorry|system prompt"
    r"|ignore (all|previous|the)|\bjson\b|instruction"
    r"|人工智能|语言模型|作为一个|抱歉|无法提供|系统提示|忽略|指令"
    r"|微信|加群|扫码|二维码|私信|代购|优惠券",
    re.IGNORECASE,
)
"""A model that talks of itself or obeys the data, and words that solicit."""
_CJK = re.compile(r"[\u4e00-\u9fa5]")
_LATIN = re.compile(r"[A-Za-z\u00c0-\u00ff]")
_FIGURE = re.compile(r"\d+(?:[.,]\d+)*")


def checked(
    text: str,
    *,
    name: str,
    most: int,
    language: str,
    forbidden: Iterable[str] = (),
    figures: frozenset[str] | None = None,
) -> str:
    """A text of one line, ready for a picture.

    Args:
        text: what the model wrote.
        name: what it is called in the words for the model.
        most: the longest it may be, in characters.
        language: `zh` or another, which is written in Latin letters.
        forbidden: words that may not be in it, whatever their case.
        figures: the only numbers that may be in it; None allows all.

    Raises:
        ValueError: it may not be used; says why.
    """
    clean = tidy(text)
    if not clean:
        raise ValueError(f"{name} is empty")
    if len(clean) > most:
        raise ValueError(f"{name} has {len(clean)} characters, at most {most} fit")
    problem = (
        _wrong_characters(clean)
        or _leads_away(clean)
        or _forbidden_word(clean, forbidden)
        or _wrong_language(clean, language)
        or _invented(clean, figures)
    )
    if problem is not None:
        raise ValueError(f"{name} {problem}")
    return clean


def tidy(text: str) -> str:
    """The text on one line, composed, without emoji."""
    one = unicodedata.normalize("NFC", _IGNORED.sub("", text[:20_000]))
    return re.sub(r"[ \t\r\n\u00a0\u3000]+", " ", one).strip()


def figures_in(text: str) -> frozenset[str]:
    """The numbers of a text, each as it stands and as people round it."""
    found: set[str] = set()
    for figure in _FIGURE.findall(text):
        plain = figure.replace(",", "")
        found |= {figure, plain, plain.partition(".")[0]}
        try:
            found.add(str(round(float(plain))))
        except (ValueError, OverflowError):
            continue
    return frozenset(found)


def _wrong_characters(text: str) -> str | None:
    code = _CODE.search(text)
    if code is not None:
        return f"has the character {code[0]!r}, which no caption has"
    for character in text:
        if not _ALLOWED.fullmatch(character):
            return f"has the character U+{ord(character):04X}, which cannot be set"
    return None


def _leads_away(text: str) -> str | None:
    if _LINK.search(text):
        return "has an address in it"
    if _NUMBERS.search(text) or _PLATE.search(text):
        return "has a number in it that may be somebody's"
    if _TALK.search(text):
        return "talks to the reader instead of describing the trip"
    return None


def _forbidden_word(text: str, forbidden: Iterable[str]) -> str | None:
    folded = text.casefold()
    for word in forbidden:
        if word.casefold() in folded:
            return f"has the word {word!r} in it, which must not be there"
    return None


def _wrong_language(text: str, language: str) -> str | None:
    chinese, latin = len(_CJK.findall(text)), len(_LATIN.findall(text))
    if language == "zh" and chinese * 3 < latin:
        return "must be written in Chinese"
    if language == "zh" and not chinese:
        return "must be written in Chinese"
    if language != "zh" and chinese * 2 > latin:
        return "must not be written in Chinese"
    if language != "zh" and not latin:
        return "has no words in it"
    return None


def _invented(text: str, figures: frozenset[str] | None) -> str | None:
    if figures is None:
        return None
    for figure in _FIGURE.findall(text):
        if figure not in figures and figure.replace(",", "") not in figures:
            return f"says {figure}, which is not in the trip's data"
    return None
