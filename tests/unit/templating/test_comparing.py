"""Two versions compared: from one trip, so that nothing but their own shows."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from comfyclient.errors import RenderError, TripError
from comfyclient.templating.comparing import compare
from comfyclient.templating.registry import shipped_templates
from comfyclient.templating.template import Template

WriteTemplate = Callable[..., Path]

SAMPLE = shipped_templates() / "trip-postcard" / "1.0.0" / "sample_trip.json"
TITLE = "{{ params.title | default(trip.title) }}"


def test_different_samples_make_no_difference(
    write_template: WriteTemplate, tmp_path: Path
) -> None:
    """Both are filled from the newer one's."""
    old, new = write_template(), write_template(version="1.1.0")
    for folder, language in ((old, '"en-GB"'), (new, '"zh-CN"')):
        text = SAMPLE.read_text("utf-8").replace('"en-GB"', language)
        (folder / "sample_trip.json").write_text(text, "utf-8")
    found = compare(Template(old), Template(new))
    assert found.empty
    assert (found.before, found.after) == ("card@1.0.0", "card@1.1.0")


@pytest.mark.parametrize("version", ["1.0.0", "1.1.0"])
def test_one_sample_is_enough(write_template: WriteTemplate, version: str) -> None:
    """Whichever of the two has it."""
    old = write_template()
    new = write_template(('"seed": {{ seed }}', '"seed": 5'), version="1.1.0")
    shutil.copy(SAMPLE, old.parent / version)
    (node,) = compare(Template(old), Template(new)).nodes
    assert [str(change) for change in node.changes] == ["~ inputs.seed: 0 → 5"]


def test_a_sample_that_the_other_cannot_take_is_not_forced_on_it(
    write_template: WriteTemplate,
) -> None:
    """Then each is filled from its own."""
    old = write_template((TITLE, '{{ trip.stops[0].name ~ "" }}'))
    new = write_template((TITLE, '{{ "fixed" }}'), version="1.1.0")
    shutil.copy(SAMPLE, old)
    (new / "sample_trip.json").write_text(
        '{"id": "a", "start": "2026-05-02T09:00:00Z", "end": "2026-05-02T10:00:00Z"}'
    )
    (node,) = compare(Template(old), Template(new)).nodes
    assert node.node_id == "2"


def test_what_cannot_be_filled_cannot_be_compared(
    write_template: WriteTemplate,
) -> None:
    """For want of a trip, or for a mistake in it."""
    old, new = write_template(), write_template(version="1.1.0")
    with pytest.raises(TripError, match="needs a trip"):
        compare(Template(old), Template(new))
    shutil.copy(SAMPLE, old)
    broken = write_template((TITLE, "{{ trip.stops[99] }}"), version="2.0.0")
    with pytest.raises((RenderError, TripError)):
        compare(Template(old), Template(broken))
