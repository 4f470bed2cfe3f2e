"""Which output may go into which input, by ComfyUI's own rules. Pure."""

from __future__ import annotations

from pydantic import JsonValue

from .object_info import COMBO, MATCH_TYPE, InputInfo

ANY = "*"

NEVER_VALUES = frozenset(
    {
        *("AUDIO", "CLIP", "CLIP_VISION", "CLIP_VISION_OUTPUT", "CONDITIONING"),
        *("CONTROL_NET", "GLIGEN", "GUIDER", "IMAGE", "LATENT", "MASK", "MODEL"),
        *("NOISE", "PHOTOMAKER", "SAMPLER", "SIGMAS", "STYLE_MODEL", "UPSCALE_MODEL"),
        *("VAE", "VIDEO"),
    }
)
"""Types that exist on the server alone: no JSON value is one."""


def fits(received: JsonValue, wanted: InputInfo) -> bool:
    """Whether an output of this type may be linked to the input.

    `A,B` is either of both, `*` anything; types that match each other are left to the
    front end.
    """
    if received in (ANY, MATCH_TYPE) or wanted.kind in (ANY, MATCH_TYPE):
        return True
    if wanted.kind == COMBO:
        return _fits_combo(received, wanted)
    if not isinstance(received, str) or wanted.kind is None:
        return wanted.kind is None
    return not _parts(received).isdisjoint(_parts(wanted.kind)) or ANY in (
        _parts(received) | _parts(wanted.kind)
    )


def _fits_combo(received: JsonValue, wanted: InputInfo) -> bool:
    """A list of choices is a type of its own; some nodes have one as their output."""
    if isinstance(received, list):
        return not wanted.listed or received == wanted.choices
    return not wanted.listed and isinstance(received, str) and COMBO in _parts(received)


def matches(received: JsonValue, wanted: InputInfo) -> bool:
    """Whether an input that matches others takes such a type; no server looks at it."""
    types = matching_types(wanted)
    if types is None:
        return True
    return fits(received, InputInfo(wanted.name, types, wanted.required))


def matching_types(one: InputInfo) -> str | None:
    """The types that an input which matches others takes; None for any other input."""
    template = one.options.get("template")
    types = template.get("allowed_types") if isinstance(template, dict) else None
    return types if one.kind == MATCH_TYPE and isinstance(types, str) else None


def is_server_side(kind: str | None) -> bool:
    """Whether only a link can give such an input, never a value of the graph."""
    return kind is not None and _parts(kind) <= NEVER_VALUES


def _parts(kind: str) -> frozenset[str]:
    return frozenset(part.strip() for part in kind.split(","))
