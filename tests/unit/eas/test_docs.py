"""The page on PAI-EAS names the GPUs as the code has them.

After a change, make its table anew: `python -m tests.unit.eas.test_docs`.
"""

from __future__ import annotations

import re
from pathlib import Path

from comfyclient.eas.gpus import GPUS

PAGE = Path(__file__).parents[3] / "docs" / "pai-eas.md"
HEAD = "| `--gpu` | instance type | what is known of it |\n|---|---|---|"


def table() -> str:
    """A row for each GPU, with how sure it is what is said of it."""
    rows = [
        f"| {gpu.name} | `{gpu.instance_type}` | {gpu.said} ({gpu.sure}) |"
        for gpu in GPUS
    ]
    return "\n".join([HEAD, *rows])


def test_the_page_has_every_gpu_as_it_is_known() -> None:
    """That L20 is on no page on ComfyUI, too."""
    assert table() in PAGE.read_text(encoding="utf-8")


def main() -> None:
    """Put the table into the page, in place of the one that is there."""
    text = PAGE.read_text(encoding="utf-8")
    found = re.escape(HEAD) + r"\n.*?\n\n"
    PAGE.write_text(re.sub(found, f"{table()}\n\n", text, flags=re.DOTALL), "utf-8")


if __name__ == "__main__":
    main()
