"""Template folders to write, and a trip to fill them with."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from comfyclient.templating.registry import shipped_templates
from comfyclient.trip.published import PublishedTrip
from comfyclient.trip.trips import load_trip

WriteTemplate = Callable[..., Path]

SOURCE = """{
  "1": {"class_type": "LoadImage", "inputs": {"image": "a.png"}},
  "2": {
    "class_type": "SetText",
    "inputs": {
      "image": ["1", 0],
      "text": {{ params.title | default(trip.title) }},
      "seed": {{ seed }}
    }
  },
  "3": {
    "class_type": "SaveImage",
    "_meta": {"title": "Save"},
    "inputs": {"images": ["2", 0], "filename_prefix": "card"}
  }
}
"""

MANIFEST = """
name = "{name}"
version = "{version}"
summary = "A card"

[parameters.title]
type = "string"

[trip]
takes = ["title"]

[outputs.card]
node = "3"

[requirements]
node_classes = ["LoadImage", "SaveImage", "SetText"]
"""


@pytest.fixture
def write_template(tmp_path: Path) -> WriteTemplate:
    """Write a template folder; texts of the source can be replaced."""

    def write(
        *changes: tuple[str, str],
        name: str = "card",
        version: str = "1.0.0",
        manifest: str = MANIFEST,
        root: Path = tmp_path / "templates",
    ) -> Path:
        folder = root / name / version
        folder.mkdir(parents=True, exist_ok=True)
        source = SOURCE
        for old, new in changes:
            assert old in source
            source = source.replace(old, new)
        filled = manifest.replace("{name}", name).replace("{version}", version)
        (folder / "manifest.toml").write_text(filled, "utf-8")
        (folder / "workflow.json.j2").write_text(source, "utf-8")
        return folder

    return write


@pytest.fixture(scope="session")
def trip() -> PublishedTrip:
    """A trip with everything in it."""
    sample = shipped_templates() / "trip-postcard" / "1.0.0" / "sample_trip.json"
    return load_trip(sample).for_publishing()
