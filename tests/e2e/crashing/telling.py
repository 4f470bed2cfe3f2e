"""What a life tells of itself."""

from __future__ import annotations

import os


def tell(*words: object) -> None:
    """Say something to whoever began this life, in one piece."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())
