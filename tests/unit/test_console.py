"""What the command line writes."""

from __future__ import annotations

import io
import json
import sys

import pytest

from comfyclient.console import show_json


@pytest.mark.parametrize("encoding", ["ascii", "gbk", "utf-8"])
def test_any_path_is_written_to_any_terminal(
    encoding: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the encoding lacks is escaped, and the JSON means the same."""
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding=encoding))
    show_json({"path": "/路/\udcff.json"})
    sys.stdout.flush()
    assert json.loads(written.getvalue().decode(encoding)) == {
        "path": "/路/\udcff.json"
    }
