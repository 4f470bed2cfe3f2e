"""The command `comfyclient`, also as `python -m comfyclient`."""

from __future__ import annotations

import sys

try:
    from .cli import run_app as main
except ImportError as error:  # typer and rich come with an extra
    if error.name not in {"typer", "rich"}:
        raise

    def main() -> None:
        """Say what to install."""
        sys.exit("The command line needs two packages: pip install 'comfyclient[cli]'")


if __name__ == "__main__":
    main()
