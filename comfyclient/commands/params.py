"""Parameters on the command line."""

from __future__ import annotations

from pydantic import JsonValue

from ..errors import ParameterError
from .place import Place


def params_of(place: Place, what: str, given: list[str]) -> dict[str, JsonValue]:
    """Parameters given as texts, read as the template's types."""
    texts: dict[str, str] = {}
    for one in given:
        name, equals, value = one.partition("=")
        if not equals or not name:
            raise ParameterError(
                f"--param takes NAME=VALUE, got {one!r}", template=what
            )
        texts[name] = value
    return place.template(what).manifest.read(texts) if texts else {}
