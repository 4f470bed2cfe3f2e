"""Imports optional packages when they are needed, and says which extra has them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from .config.settings import StorageSettings
from .errors import MissingExtraError
from .storage.base import Storage


def open_oss(name: str, settings: StorageSettings, region: str | None) -> Storage:
    """A bucket.

    Raises:
        MissingExtraError: oss2 is not installed.
        ConfigError: the region or the source of credentials is not to be found.
    """
    try:
        from .storage.oss_opening import open_bucket
    except ImportError as error:
        raise MissingExtraError(
            f"storage of kind 'oss' needs {error.name}, which is not installed",
            hint="pip install 'comfyclient[oss]'",
        ) from error
    return open_bucket(name, settings, region)


def clean_photo(content: bytes, *, max_megapixels: float) -> tuple[bytes, str]:
    """A photo as it may be sent, and its suffix.

    Raises:
        MissingExtraError: Pillow is not installed.
        ValueError: it may not be sent.
    """
    try:
        from .photos.cleaning import cleaned
    except ImportError as error:
        raise MissingExtraError(
            f"photos of a trip need {error.name}, which is not installed",
            hint="pip install 'comfyclient[photos]'",
        ) from error
    return cleaned(content, max_megapixels=max_megapixels)


def thumbnailer() -> Callable[[Path], str | None]:
    """What makes small pictures for a page.

    Raises:
        MissingExtraError: Pillow is not installed.
    """
    try:
        from .report.thumbnails import thumbnail
    except ImportError as error:
        raise MissingExtraError(
            f"small pictures need {error.name}, which is not installed",
            hint="pip install 'comfyclient[local]'",
        ) from error
    return thumbnail
