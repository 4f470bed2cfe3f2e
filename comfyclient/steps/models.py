"""DashScope's models: how each is asked, what it takes, how often; what is gone. Pure.

From Model Studio's pages on its models, their limits and their retirement, as they were
in October 2026 for the Beijing site. Prices are not here: they change, and by site.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from ..errors import ModelGoneError, ModelRequestError

Route: TypeAlias = Literal["text2image", "image2image", "image-generation", "at-once"]
"""How a picture is asked for: tasks of the older and newer protocol, or no task."""


@dataclass(frozen=True, slots=True)
class Rate:
    """How often a model may be asked."""

    per_s: float | None = None
    """Requests a second; None where none is documented."""
    at_once: int = 8
    """Requests, or tasks, at a time."""


@dataclass(frozen=True, slots=True)
class PictureModel:
    """An image model."""

    route: Route
    rate: Rate
    size: str
    """The size where none is asked for, `width*height`."""
    sides: tuple[int, int] | None = None
    """The least and most pixels of a side."""
    area: tuple[int, int] | None = None
    """The least and most pixels of the whole; then from 1:4 to 4:1."""
    sizes: tuple[str, ...] = ()
    """The only sizes, where there are only some."""
    prompt: int = 800
    """Characters of a prompt."""
    most: int = 4
    """Pictures of one request."""
    takes: int = 0
    """Pictures that it may be given to work from."""

    def check(self, name: str, *, size: str, count: int, given: int = 0) -> None:
        """Refuse what the model would refuse, before anything is sent.

        Raises:
            ModelRequestError: size or number does not fit; names what does.
        """
        wrong = self._wrong(size, count, given)
        if wrong is not None:
            raise ModelRequestError(f"{name} {wrong}", model=name)

    def _wrong(self, size: str, count: int, given: int) -> str | None:
        if not 1 <= count <= self.most:
            return f"makes 1 to {self.most} pictures at a time, not {count}"
        if given > self.takes:
            return f"works from up to {self.takes} pictures, not {given}"
        if self.takes and not given:
            return "changes pictures: it needs one to work from"
        if self.sizes:
            return (
                None
                if size in self.sizes
                else f"has the sizes {', '.join(self.sizes)}, not {size}"
            )
        found = re.fullmatch(r"([1-9]\d{0,4})\*([1-9]\d{0,4})", size)
        if found is None:
            return f"takes a size like {self.size}, not {size!r:.40}"
        return self._out_of_range(int(found[1]), int(found[2]))

    def _out_of_range(self, width: int, height: int) -> str | None:
        if self.sides is not None:
            low, high = self.sides
            if not low <= min(width, height) <= max(width, height) <= high:
                return f"takes sides from {low} to {high}, not {width}*{height}"
        if self.area is not None:
            low, high = self.area
            if not low <= width * height <= high:
                return f"takes {low} to {high} pixels in all, not {width}*{height}"
            if max(width, height) > 4 * min(width, height):
                return f"takes shapes from 1:4 to 4:1, not {width}*{height}"
        return None


_SQUARE_1280, _SQUARE_1440 = 1280 * 1280, 1440 * 1440
_QWEN_SIZES = ("1664*928", "1472*1104", "1328*1328", "1104*1472", "928*1664")
_WAN_2 = Rate(2, 2)
_CAREFUL = Rate(1, 2)  # ours: no figure was found for these


def _older(prompt: int) -> PictureModel:
    return PictureModel("text2image", _WAN_2, "1024*1024", (512, 1440), prompt=prompt)


PICTURES: Mapping[str, PictureModel] = {
    "wan2.6-t2i": PictureModel(
        "image-generation",
        Rate(1, 5),
        "1280*1280",
        area=(_SQUARE_1280, _SQUARE_1440),
        prompt=2100,
    ),
    "wan2.5-t2i-preview": PictureModel(
        "text2image",
        Rate(5, 5),
        "1280*1280",
        area=(_SQUARE_1280, _SQUARE_1440),
        prompt=2000,
    ),
    "wan2.2-t2i-flash": _older(500),
    "wan2.2-t2i-plus": _older(500),
    "wanx2.1-t2i-turbo": _older(500),
    "wanx2.1-t2i-plus": _older(500),
    "wanx2.0-t2i-turbo": _older(800),
    "wan2.6-image": PictureModel(
        "image-generation",
        Rate(5, 5),
        "1280*1280",
        area=(768 * 768, _SQUARE_1280),
        takes=4,
    ),
    "wan2.5-i2i-preview": PictureModel("image2image", _CAREFUL, "1280*1280", takes=3),
    "qwen-image-max": PictureModel(
        "at-once", Rate(2 / 60), "1664*928", sizes=_QWEN_SIZES, most=1
    ),
    "qwen-image-plus": PictureModel(
        "at-once", Rate(2, 2), "1664*928", sizes=_QWEN_SIZES, most=1
    ),
    "qwen-image": PictureModel(
        "at-once", Rate(2, 2), "1664*928", sizes=_QWEN_SIZES, most=1
    ),
    "qwen-image-edit-plus": PictureModel(
        "at-once", _CAREFUL, "1024*1024", (512, 2048), most=6, takes=3
    ),
    "qwen-image-edit": PictureModel(
        "at-once", _CAREFUL, "1024*1024", (512, 2048), most=1, takes=3
    ),
}
"""The image models that we know how to ask, by name."""

_SERIES = "the notice of their end names the Qwen3.6 series, such as {}"
RETIRED: Mapping[str, str] = {
    "qwen-max": _SERIES.format("qwen3.6-plus"),
    "qwen-turbo": _SERIES.format("qwen3.6-flash"),
    "qwen-vl-max": _SERIES.format("qwen3.6-plus"),
    "qwen-vl-plus": _SERIES.format("qwen3.6-flash"),
    "qwq-plus": _SERIES.format("qwen3.6-plus"),
    "qvq-max": _SERIES.format("qwen3.6-plus"),
}
"""Retired on 13 July 2026 on the Beijing and Singapore sites, and what to use."""

_NEVER: Mapping[str, str] = {
    "wanx-v2": "what is called so are wanx2.1-t2i-turbo and wan2.2-t2i-flash",
    "wan": "name one, such as wan2.6-t2i or wan2.2-t2i-flash",
    "wanx": "name one, such as wanx2.1-t2i-turbo or wan2.2-t2i-flash",
    "wanx-v1": "it is of the first generation; use wan2.2-t2i-flash",
}
"""Names that people use, and that are no models to be asked."""

RETIRED_AT = frozenset({"cn-beijing", "ap-southeast-1"})
"""The sites that the notice names."""


def resolved(
    name: str, aliases: Mapping[str, str], *, region: str | None = None
) -> str:
    """The model that a name stands for, before anything is sent.

    Args:
        name: a model or an alias.
        aliases: the configured ones; one may stand for another.
        region: the site; None is one that is not known.

    Raises:
        ModelGoneError: it was retired, or is no model; names what to use.
    """
    seen = [name]
    while seen[-1] in aliases:
        if aliases[seen[-1]] in seen:
            raise ModelGoneError(
                f"the aliases {' → '.join([*seen, aliases[seen[-1]]])} go in a circle",
                hint="let one of them name a model",
            )
        seen.append(aliases[seen[-1]])
    model = seen[-1]
    gone = RETIRED.get(model) if region is None or region in RETIRED_AT else None
    if gone is not None:
        raise ModelGoneError(
            f"{_called(seen)} was retired on 13 July 2026",
            model=model,
            hint=f'{gone}; or an alias: [dashscope.aliases] "{name}" = "…"',
        )
    if model in _NEVER:
        raise ModelGoneError(
            f"{_called(seen)} is no model that can be asked",
            model=model,
            hint=f'{_NEVER[model]}; or an alias: [dashscope.aliases] "{name}" = "…"',
        )
    return model


def picture_model(name: str) -> PictureModel:
    """What is known of an image model.

    Raises:
        ModelGoneError: we do not know how to ask it; lists those that we do.
    """
    if name not in PICTURES:
        raise ModelGoneError(
            f"{name!r:.60} is no image model that we know how to ask",
            model=name[:60],
            hint=f"there are {', '.join(PICTURES)}",
        )
    return PICTURES[name]


def _called(seen: list[str]) -> str:
    name = f"the model {seen[-1]!r:.60}"
    return name if len(seen) == 1 else f"{name} (called {seen[0]!r:.60})"
