"""Templates with stages: rehearsed without anybody asked, and checked by lint."""

from __future__ import annotations

from pathlib import Path

import pytest

from comfyclient import load_trip
from comfyclient.errors import RenderError
from comfyclient.steps.staged import rehearsed
from comfyclient.templating.lint import lint
from comfyclient.templating.template import Template

TRIP = Path(__file__).parents[3] / "examples" / "trips" / "barely-recorded.json"
MANIFEST = """
name = "staged"
version = "1.0.0"
summary = "A picture"
[trip]
takes = []
[outputs.picture]
node = "2"
[requirements]
node_classes = ["LoadImage", "SaveImage"]
[[stage]]
name = "scene"
kind = "paint"
prompt = "a road"
required = false
[[stage]]
name = "file"
kind = "upload"
inputs = ["scene"]
required = false
"""
SOURCE = """{
  "1": {"class_type": "LoadImage", "inputs": {"image": IMAGE}},
  "2": {"class_type": "SaveImage",
        "inputs": {"images": ["1", 0], "filename_prefix": "a"}}
}"""
CAREFUL = '{{ stages.file | first if stages.file else "example.png" }}'


def template(folder: Path, image: str, manifest: str = MANIFEST) -> Template:
    """A template whose picture is this expression."""
    home = folder / "staged" / "1.0.0"
    home.mkdir(parents=True)
    (home / "manifest.toml").write_text(manifest, "utf-8")
    (home / "workflow.json.j2").write_text(SOURCE.replace("IMAGE", image), "utf-8")
    (home / "sample_trip.json").write_text(TRIP.read_text("utf-8"), "utf-8")
    return Template(home)


def test_a_rehearsal_has_a_grey_picture(tmp_path: Path) -> None:
    """The graph can be checked, and run, without a model."""
    made = template(tmp_path, CAREFUL)
    workflow = made.render(load_trip(TRIP), seed=1)

    (file,) = workflow.files
    assert workflow.graph["1"]["inputs"]["image"] == file.name  # type: ignore[index,call-overload]
    with file.open() as stream:
        assert stream.read().startswith(b"\x89PNG")


def test_what_came_to_nothing_is_empty(tmp_path: Path) -> None:
    """And no file goes along."""
    made = template(tmp_path, CAREFUL)
    nothing = rehearsed(made.manifest.stage, None, failing=True)
    workflow = made.render(load_trip(TRIP), seed=1, staged=nothing)

    assert workflow.files == ()
    assert workflow.graph["1"]["inputs"]["image"] == "example.png"  # type: ignore[index,call-overload]


@pytest.mark.parametrize(
    ("image", "errors"), [(CAREFUL, 0), ("{{ stages.file[0] }}", 1)]
)
def test_lint_tries_stages_that_come_to_nothing(
    tmp_path: Path, image: str, errors: int
) -> None:
    """A template that counts on them anyway is told of."""
    report = lint(template(tmp_path, image))

    found = [f for f in report.findings if "came to nothing" in f.message]
    assert len(found) == errors


def test_a_stage_that_is_not_there(tmp_path: Path) -> None:
    """The line is named, and what was meant."""
    made = template(tmp_path, "{{ stages.fiel | first }}")
    with pytest.raises(RenderError, match="did you mean 'file'") as caught:
        made.render(load_trip(TRIP), seed=1)
    assert caught.value.line == 2
