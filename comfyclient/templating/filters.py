"""The filters a template may use: few, typed, without side effects. Pure.

All but `json_text` and `upload` take a value and give a value; `docs/templates.md`
lists them with examples.
"""

from __future__ import annotations

import json
import unicodedata
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Protocol

from jinja2 import Undefined, pass_context
from jinja2.runtime import Context
from pydantic_core import PydanticSerializationError, to_jsonable_python

from ..errors import RenderError

RUN = "_run"
"""The context's private name for the rendering that goes on."""

MAX_SEED = (1 << 64) - 1
"""The largest seed that ComfyUI's samplers take."""


_ENCODER = json.JSONEncoder(allow_nan=False)
_TEXT_ENCODER = json.JSONEncoder(
    allow_nan=False, ensure_ascii=False, separators=(",", ":")
)


class Uploads(Protocol):
    """Takes files for the server's input folder."""

    def upload(self, value: object) -> str:
        """Register a file and give its name on the server."""


def to_json(value: object) -> str:
    """One JSON value as ASCII text: no character of it can end a string.

    Raises:
        RenderError: the value is undefined, not finite, or nothing that JSON has.
    """
    text = _encoded(value, _ENCODER)
    if "\\ud" in text:  # could be half of a pair, which no server can encode
        _json_text(value)
    return text


def _json_text(value: object) -> str:
    text = _encoded(value, _TEXT_ENCODER)
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise RenderError("the text holds half of a surrogate pair") from error
    return text


def _encoded(value: object, encoder: json.JSONEncoder) -> str:
    if isinstance(value, Undefined):
        str(value)  # raises jinja2.UndefinedError, which names what is missing
    try:
        plain = value if type(value) is str else to_jsonable_python(value)
        return encoder.encode(plain)
    except (ValueError, TypeError, RecursionError, PydanticSerializationError) as error:
        kind = type(value).__name__
        raise RenderError(f"a {kind} cannot be a JSON value: {error}") from error


@pass_context
def _upload(context: Context, value: object) -> str:
    uploads: Uploads = context[RUN]
    return uploads.upload(value)


def _default(value: object, fallback: object) -> object:
    return fallback if value is None or isinstance(value, Undefined) else value


def _round(value: float, digits: int = 0) -> float:
    return round(value, digits) if digits else round(value)


def _clip(value: str, length: int) -> str:
    text = _text(value)
    return text if len(text) <= length else text[: max(length - 1, 0)].rstrip() + "…"


def _plus(value: int, step: int) -> int:
    """Another seed derived from one, within what samplers take."""
    return (value + step) & MAX_SEED


def _between(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


def _join(values: Iterable[object], separator: str = "") -> str:
    return separator.join(_text(value) for value in values)


def _items(value: Mapping[str, object]) -> list[tuple[str, object]]:
    return list(value.items())


def _having(values: Iterable[object], *names: str) -> list[object]:
    """Those whose fields of these names are all set."""
    return [
        value for value in values if None not in map(_fields(value, names).get, names)
    ]


def _set_only(values: Iterable[object]) -> list[object]:
    return [value for value in values if value is not None]


def _pick(values: Iterable[object], *names: str) -> list[dict[str, object]]:
    return [_fields(value, names) for value in values]


def _pluck(values: Iterable[object], name: str) -> list[object]:
    return [_fields(value, [name])[name] for value in values]


def _fields(value: object, names: Sequence[str]) -> dict[str, object]:
    fields: object = to_jsonable_python(value)
    if not isinstance(fields, dict):
        raise RenderError(f"a {type(value).__name__} has no fields")
    missing = [name for name in names if name not in fields]
    if missing:
        there = ", ".join(map(str, fields))
        raise RenderError(f"there is no field {missing[0]!r}; there are {there}")
    return {name: fields[name] for name in names}


def _where(values: Iterable[object], name: str, wanted: object) -> list[object]:
    """Those whose field has that value."""
    return [value for value in values if _fields(value, [name])[name] == wanted]


def _grouped(value: float, digits: int = 0) -> str:
    """A number for people: `1,284` or `1,284.5`."""
    return f"{value:,.{digits}f}"


def _first(values: Sequence[object]) -> object:
    return values[0]


def _last(values: Sequence[object]) -> object:
    return values[-1]


def _text(value: object) -> str:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise RenderError(f"expected a text, got {type(value).__name__}: {value!r:.60}")
    return str(value)


def _plain(value: object) -> object:
    """Texts, also inside of lists and objects, without emoji: few fonts have them."""
    plain: object = to_jsonable_python(value)
    match plain:
        case str():
            return " ".join("".join(filter(_is_drawn, plain)).split())
        case list():
            return [_plain(item) for item in plain]
        case dict():
            return {key: _plain(item) for key, item in plain.items()}
    return plain


def _is_drawn(character: str) -> bool:
    """Whether a character is more than an emoji, or a part of one."""
    if character in _SYMBOLS_KEPT:
        return True
    if character in _EMOJI_PARTS or "\U000e0000" <= character <= "\U000e007f":
        return False
    is_symbol = unicodedata.category(character) in {"So", "Sk"}
    return not (is_symbol and character >= "\u2300")


def _integer(value: float | str) -> int:
    return int(value)


def _number(value: float | str) -> float:
    return float(value)


_SYMBOLS_KEPT = frozenset("○●◎◇◆□■△▲▽▼☆★♀♂♪♭♯")
"""Symbols that text fonts draw; the others of their kind are mostly emoji."""
_EMOJI_PARTS = frozenset("\u200d\ufe0e\ufe0f\u20e3")
"""They join or vary the emoji beside them."""

FILTERS: Mapping[str, Callable[..., object]] = {
    "abs": abs,
    "between": _between,
    "clip": _clip,
    "default": _default,
    "first": _first,
    "float": _number,
    "grouped": _grouped,
    "having": _having,
    "int": _integer,
    "items": _items,
    "join": _join,
    "json_text": _json_text,
    "last": _last,
    "length": len,
    "lower": lambda value: _text(value).lower(),
    "max": max,
    "min": min,
    "pick": _pick,
    "plain": _plain,
    "pluck": _pluck,
    "plus": _plus,
    "round": _round,
    "set_only": _set_only,
    "string": _text,
    "sum": sum,
    "trim": lambda value: _text(value).strip(),
    "upload": _upload,
    "upper": lambda value: _text(value).upper(),
    "where": _where,
}
"""By the name a template uses; there are no others."""

TESTS: tuple[str, ...] = (
    "boolean",
    "defined",
    "divisibleby",
    "even",
    "in",
    "none",
    "number",
    "odd",
    "string",
    "undefined",
)
"""Jinja's own tests that a template may use."""
