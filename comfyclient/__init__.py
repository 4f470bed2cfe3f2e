"""Typed, headless Python SDK that turns trip data into pictures through ComfyUI.

What this module lists, and `comfyclient.errors`, `comfyclient.events`,
`comfyclient.hooks`, `comfyclient.telemetry` and `comfyclient.testing`, is the public
API; other modules may change between versions.
"""

from importlib import import_module
from typing import TYPE_CHECKING

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .public import *  # noqa: F403  (its `__all__` says what)
else:

    def __getattr__(name: str) -> object:
        """A public name: all come with the first; the command line asks for none."""
        public = import_module(".public", __name__)
        globals().update((one, getattr(public, one)) for one in public.__all__)
        globals()["__all__"] = sorted(["__version__", *public.__all__])
        try:
            return globals()[name]
        except KeyError:
            words = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(words) from None

    def __dir__() -> list[str]:
        """Also the names that nobody has asked for yet."""
        return sorted({*globals(), *import_module(".public", __name__).__all__})
