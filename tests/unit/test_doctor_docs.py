"""`docs/doctor.md` has every kind of check, as the code has it.

After a change, make its table anew: `python -m tests.unit.test_doctor_docs`.
"""

from __future__ import annotations

import re
from pathlib import Path

from comfyclient.checks.kinds import KINDS

PAGE = Path(__file__).parents[2] / "docs" / "doctor.md"
HEAD = "| check | hop | what it asks | what may be wrong | what to do |"


def table() -> str:
    """The rows of all kinds, in the order of the way."""
    rows = [HEAD, "|---|---|---|---|---|"]
    for name, kind in KINDS.items():
        mark = " ✎" if kind.writes else ""
        parts = (f"`{name}`{mark}", kind.hop, kind.asks, kind.wrong, kind.remedy)
        rows.append(f"| {' | '.join(parts)} |")
    return "\n".join(rows)


def test_the_page_has_every_check_as_it_is() -> None:
    """Word for word: what it asks, what may be wrong, what to do."""
    assert table() in PAGE.read_text(encoding="utf-8")


def main() -> None:
    """Put the table into the page, in place of the one that is there."""
    text = PAGE.read_text(encoding="utf-8")
    made = re.sub(r"\| check \|.*?\n\n", f"{table()}\n\n", text, flags=re.DOTALL)
    PAGE.write_text(made, encoding="utf-8")


if __name__ == "__main__":
    main()
