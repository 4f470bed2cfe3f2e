"""Templates: from a trip and parameters to a checked workflow."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from comfyclient.errors import (
    ManifestError,
    ParameterError,
    RenderError,
    TemplateError,
    TripError,
    UiFormatError,
)
from comfyclient.templating.template import Template
from comfyclient.trip.published import PublishedTrip
from comfyclient.trip.trips import load_trip
from comfyclient.words.copywriter import TripCopy
from comfyclient.workflow import Workflow

WriteTemplate = Callable[..., Path]

TEXT = "{{ params.title | default(trip.title) }}"


def test_a_template_gives_a_workflow(
    write_template: WriteTemplate, trip: PublishedTrip
) -> None:
    """The workflow says what it was made of."""
    template = Template(write_template())
    workflow = template.render(trip, {"title": "A day"}, seed=5)
    assert workflow.graph["2"] == {
        "class_type": "SetText",
        "inputs": {"image": ["1", 0], "text": "A day", "seed": 5},
        "_meta": {"title": "SetText"},
    }
    assert workflow.template == "card@1.0.0"
    assert workflow.seed == 5
    assert workflow.params == {"title": "A day"}
    assert workflow.trip_id == trip.id
    assert [output.node_id for output in workflow.outputs] == ["3"]
    assert workflow.files == ()


def test_the_same_inputs_give_the_same_digest(
    write_template: WriteTemplate, trip: PublishedTrip
) -> None:
    """Template, trip, parameters and seed decide everything."""
    one, other = (
        Template(write_template()).render(trip, {"title": "a"}, seed=5)
        for _ in range(2)
    )
    assert one.digest == other.digest
    assert one.digest != Template(write_template()).render(trip, seed=5).digest


def test_a_seed_is_drawn_and_recorded(
    write_template: WriteTemplate, trip: PublishedTrip
) -> None:
    """Without a seed, two renderings differ, and each says its own."""
    template = Template(write_template())
    one, other = (template.render(trip, {"title": "a"}) for _ in range(2))
    assert one.seed != other.seed
    assert one.seed is not None
    assert 0 <= one.seed < 1 << 53
    assert template.render(trip, {"title": "a"}, seed=one.seed) == one


@pytest.mark.parametrize("seed", [-1, 1 << 64, True, 1.0, "7"])
def test_a_seed_that_no_sampler_takes_is_refused(
    write_template: WriteTemplate, trip: PublishedTrip, seed: Any
) -> None:
    """Zero is a seed like any other; what is outside 64 bits is none."""
    template = Template(write_template())
    assert template.render(trip, {"title": "a"}, seed=0).seed == 0
    with pytest.raises(ParameterError, match="the seed is"):
        template.render(trip, seed=seed)


def test_a_raw_trip_is_cut_before_it_is_seen(write_template: WriteTemplate) -> None:
    """A template gets the published trip, with the radius that was asked for."""
    sample = Path(__file__).parents[3] / "templates/trip-postcard/1.0.0"
    raw = load_trip(sample / "sample_trip.json")
    source = ((TEXT, "{{ trip.segments | json_text }}"),)
    template = Template(write_template(*source))
    near, far = (
        template.render(raw, seed=1, home_radius_m=radius) for radius in (0, 5000)
    )
    assert len(str(far.graph["2"])) < len(str(near.graph["2"]))
    assert template.render(raw.for_publishing(5000), seed=1) == far


def test_a_copywriters_words_are_used(
    write_template: WriteTemplate, trip: PublishedTrip
) -> None:
    """Given words win; without them the trip's facts are put into words."""
    template = Template(write_template((TEXT, "{{ copy.title }}")))
    words = TripCopy(title="Mine", subtitle="", lines=(), poster_prompt="")
    given = template.render(trip, seed=1, copy=words)
    assert given.graph["2"]["inputs"]["text"] == "Mine"  # type: ignore[index, call-overload]
    own = template.render(trip, seed=1)
    assert own.graph["2"]["inputs"]["text"] == "Black Forest in autumn"  # type: ignore[index, call-overload]


@pytest.mark.parametrize(
    ("changes", "line", "said"),
    [
        (
            [(TEXT, '"{{ params.title }}"')],
            7,
            "{{ params.title }} stands inside quotes",
        ),
        ([(TEXT, '"a {{ params.title }} b"')], 7, "stands inside quotes"),
        (
            [('"3": {', '"2": {')],
            11,
            "the node id '2' is there twice, from lines 3 and",
        ),
        ([('"seed":', '"text":')], 8, "the key '2.inputs.text' is there twice"),
        ([('["1", 0],', '["1", 0]')], 7, "no JSON: Expecting ',' delimiter"),
        ([('["1", 0]', '["7", 0]')], 6, "node '2'.image: links to node '7'"),
        ([('["1", 0]', "[1, 0]")], 6, "links to node 1 by number"),
        ([('["1", 0]', '["{{ 7 }}", 0]')], 6, "inside quotes"),
        ([('["1", 0]', "[{{ params.title }}, 0]")], 6, "links to node 'x'"),
        ([('"image": "a.png"', '"image": ["2", 0]')], 2, "in a circle: 1 → 2 → 1"),
        ([('"SetText"', "{{ none }}")], 3, "node '2': has no class_type"),
        ([('"a.png"', "NaN")], None, "NaN"),
        ([(TEXT, "{{ params.titel }}")], 7, "the manifest has no parameter 'titel'"),
        ([(TEXT, "{{ trip.vin }}")], 7, "a trip has no 'vin'"),
        ([(TEXT, "{{ trip._source }}")], 7, "private"),
        ([(TEXT, "{{ trip.titel }}")], 7, "did you mean 'title'"),
        ([(TEXT, "{{ trip['model_fields'] }}")], 7, "no 'model_fields'"),
        ([(TEXT, "{{ trip['mo' ~ 'del_dump'] }}")], 7, "unsafe"),
        ([(TEXT, "{{ 'a.png' | upload }}")], 7, "only photos of the trip"),
    ],
)
def test_a_wrong_template_is_told_with_its_line(
    write_template: WriteTemplate,
    trip: PublishedTrip,
    changes: list[tuple[str, str]],
    line: int | None,
    said: str,
) -> None:
    """Each error names template, file, line and what is wrong."""
    template = Template(write_template(*changes))
    with pytest.raises(RenderError) as caught:
        template.render(trip, {"title": "x"}, seed=1)
    assert said in str(caught.value)
    assert str(caught.value).startswith("card@1.0.0: workflow.json.j2")
    assert caught.value.line == line


def test_a_ui_export_as_template_is_told(
    write_template: WriteTemplate, trip: PublishedTrip
) -> None:
    """The most common mistake gets the way to export."""
    folder = write_template()
    (folder / "workflow.json.j2").write_text('{"nodes": [], "links": []}', "utf-8")
    with pytest.raises(UiFormatError, match=r"Export \(API\)"):
        Template(folder).render(trip)


def test_an_output_must_be_in_the_graph(
    write_template: WriteTemplate, trip: PublishedTrip
) -> None:
    """A manifest that names a node which is not there is at fault."""
    template = Template(write_template(('"3": {', '"30": {')))
    with pytest.raises(ManifestError, match="'card' is to come from node '3'"):
        template.render(trip)


def test_a_place_names_line_and_slot(
    write_template: WriteTemplate, trip: PublishedTrip
) -> None:
    """Errors of a server lead back to the template."""
    workflow = Template(write_template()).render(trip, {"title": "a"}, seed=1)
    assert str(workflow.place("2", "text")) == f"card@1.0.0 line 7 {TEXT}"
    assert str(workflow.place("2", "image")) == "card@1.0.0 line 6"
    assert str(workflow.place("3")) == "card@1.0.0 line 11"
    assert str(workflow.place("3", "no such input")) == "card@1.0.0 line 11"
    assert workflow.place("9") is None


def test_nodes_of_a_loop_have_places(
    write_template: WriteTemplate, trip: PublishedTrip
) -> None:
    """A node id that is a slot is placed at that slot."""
    loop = (
        '"3": {',
        "{% for s in range(2) %}\n"
        '  {{ "n" ~ s }}: {"class_type": "A", "inputs": {"x": {{ s }}}},\n'
        '{% endfor %}\n"3": {',
    )
    template = Template(write_template(loop))
    for _ in range(2):  # the second rendering is not checked again
        workflow = template.render(trip, {"title": "a"}, seed=1)
        assert list(workflow.graph) == ["1", "2", "n0", "n1", "3"]
        for node_id in ("n0", "n1"):
            assert str(workflow.place(node_id)) == 'card@1.0.0 line 12 {{ "n" ~ s }}'
            assert str(workflow.place(node_id, "x")) == "card@1.0.0 line 12 {{ s }}"


def test_a_slot_that_can_change_the_graph_is_checked_each_time(
    write_template: WriteTemplate, trip: PublishedTrip
) -> None:
    """A link made by a slot is right once and wrong later: both are noticed."""
    template = Template(write_template(('["1", 0]', "[{{ params.title }}, 0]")))
    assert isinstance(template.render(trip, {"title": "1"}), Workflow)
    with pytest.raises(RenderError, match="links to node '8'"):
        template.render(trip, {"title": "8"})


def test_a_list_in_an_input_is_checked_each_time(
    write_template: WriteTemplate, trip: PublishedTrip
) -> None:
    """A value that becomes a link is noticed, though the slot gave a text before."""
    slot = '{{ ["8", 0] if params.title == "link" else "text" }}'
    template = Template(write_template((TEXT, slot)))
    template.render(trip, {"title": "a"})
    with pytest.raises(RenderError, match="links to node '8'"):
        template.render(trip, {"title": "link"})


def test_each_workflow_has_its_own_graph(
    write_template: WriteTemplate, trip: PublishedTrip
) -> None:
    """Nothing of a rendering is shared with the next one."""
    template = Template(write_template())
    one = template.render(trip, {"title": "a"}, seed=1)
    digest = one.digest
    other = template.render(trip, {"title": "a"}, seed=1)
    other.graph["2"]["inputs"]["text"] = "changed"  # type: ignore[index, call-overload]
    assert template.render(trip, {"title": "a"}, seed=1).digest == digest
    assert one.graph["2"]["inputs"]["text"] == "a"  # type: ignore[index, call-overload]


def test_a_trip_that_lacks_what_is_required_is_told(
    write_template: WriteTemplate, trip: PublishedTrip
) -> None:
    """The error comes before rendering and names the field."""
    folder = write_template()
    manifest = folder / "manifest.toml"
    text = manifest.read_text("utf-8")
    required = text.replace("[trip]", '[trip]\nrequired = ["route"]')
    manifest.write_text(required, "utf-8")
    template = Template(folder)
    assert template.render(trip)
    with pytest.raises(TripError, match=r"route: card@1\.0\.0 needs it"):
        template.render(trip.model_copy(update={"route": ()}))
    with pytest.raises(TripError, match="needs a trip"):
        template.render(None)


def test_a_template_without_a_trip_needs_none(write_template: WriteTemplate) -> None:
    """Parameters and seed alone can fill a template."""
    folder = write_template((TEXT, "{{ params.title }}"))
    manifest = folder / "manifest.toml"
    text = manifest.read_text("utf-8").replace('[trip]\ntakes = ["title"]', "")
    manifest.write_text(text, "utf-8")
    workflow = Template(folder).render(None, {"title": "a"}, seed=3)
    assert workflow.trip_id is None
    assert workflow.graph["2"]["inputs"]["text"] == "a"  # type: ignore[index, call-overload]


def test_the_folder_must_agree_with_the_manifest(write_template: WriteTemplate) -> None:
    """A copied folder whose version was not raised is refused."""
    folder = write_template()
    moved = folder.rename(folder.with_name("1.0.1"))
    with pytest.raises(ManifestError, match=r"says card@1\.0\.0, but stands in"):
        Template(moved)


def test_a_missing_source_is_told(write_template: WriteTemplate) -> None:
    """A folder without `workflow.json.j2` is named."""
    folder = write_template()
    (folder / "workflow.json.j2").unlink()
    with pytest.raises(TemplateError, match="No such file"):
        Template(folder).render(None)


def test_a_source_of_foreign_bytes_is_told(write_template: WriteTemplate) -> None:
    """Bytes that are no UTF-8 are an error of ours."""
    folder = write_template()
    (folder / "workflow.json.j2").write_bytes(b'{"a": "\xff"}')
    with pytest.raises(TemplateError, match="not UTF-8"):
        Template(folder).render(None)


def test_a_folder_without_its_files_is_told(write_template: WriteTemplate) -> None:
    """Manifest and source are each named where they are missing."""
    folder = write_template()
    (folder / "workflow.json.j2").unlink()
    with pytest.raises(TemplateError, match=r"workflow\.json\.j2: cannot be read"):
        _ = Template(folder).digest
    (folder / "manifest.toml").unlink()
    with pytest.raises(ManifestError, match=r"manifest\.toml: cannot be read"):
        Template(folder)


def test_the_digest_is_of_the_bytes_in_use(write_template: WriteTemplate) -> None:
    """Files that change after they were read do not change what they are called."""
    folder = write_template()
    expected = Template(folder).digest
    template = Template(folder)
    assert template.source.slots
    (folder / "workflow.json.j2").write_text("{}")
    (folder / "manifest.toml").write_text("")

    assert template.digest == expected


def test_the_digest_covers_manifest_and_source(write_template: WriteTemplate) -> None:
    """Any change of either gives another digest."""
    folder = write_template()
    first = Template(folder).digest
    assert Template(folder).digest == first
    for name in ("manifest.toml", "workflow.json.j2"):
        path = folder / name
        path.write_text(path.read_text("utf-8") + "\n", "utf-8")
        changed = Template(folder).digest
        assert changed != first
        first = changed


def test_deeply_nested_source_is_an_error(
    write_template: WriteTemplate, trip: PublishedTrip
) -> None:
    """Neither Jinja nor JSON brings the interpreter down."""
    deep = "[" * sys.getrecursionlimit() * 100
    template = Template(write_template((TEXT, deep)))
    with pytest.raises(RenderError):
        template.render(trip)


def test_the_graph_is_plain_json(
    write_template: WriteTemplate, trip: PublishedTrip
) -> None:
    """What a transport sends is what was rendered."""
    workflow = Template(write_template()).render(trip, {"title": "湖"}, seed=1)
    assert json.loads(json.dumps(workflow.graph)) == workflow.graph
