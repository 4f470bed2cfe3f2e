"""What differs between graphs: nothing is missed, nothing is made up."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from comfyclient.graph import canonical
from comfyclient.templating.graphdiff import (
    NodeChange,
    diff_graphs,
    diff_templates,
    model_inputs,
)
from comfyclient.templating.manifest import Manifest

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=6)
PLAIN = (
    st.none()
    | st.booleans()
    | st.integers(-2, 2)
    | st.sampled_from([0.0, -0.0, 1.0, 1.5])
    | TEXTS
    | st.just(["1", 0])
)
VALUES = PLAIN | st.dictionaries(TEXTS, PLAIN, max_size=2) | st.lists(PLAIN, max_size=3)
NODES = st.fixed_dictionaries(
    {
        "class_type": st.sampled_from(["A", "B"]),
        "inputs": st.dictionaries(st.sampled_from("abcd"), VALUES, max_size=3),
    },
    optional={"_meta": st.dictionaries(st.just("title"), TEXTS)},
)
GRAPHS = st.dictionaries(st.sampled_from(["1", "2", "3:1", "{{"]), NODES, max_size=4)


def graph() -> dict[str, Any]:
    """A graph of three nodes."""
    return {
        "1": {"class_type": "Load", "inputs": {"ckpt_name": "a.safetensors"}},
        "2": {
            "class_type": "Sample",
            "_meta": {"title": "Sampler"},
            "inputs": {"steps": 20, "cfg": 7, "model": ["1", 0]},
        },
        "3": {"class_type": "SaveImage", "inputs": {"images": ["2", 0]}},
    }


def applied(before: dict[str, Any], changes: tuple[NodeChange, ...]) -> dict[str, Any]:
    """The graph after these changes, made of nothing else."""
    after = copy.deepcopy(before)
    for node in changes:
        if node.kind == "removed":
            del after[node.node_id]
            continue
        target = after.setdefault(node.node_id, {})
        for change in node.changes:
            place = target
            for key in change.path[:-1]:
                place = place.setdefault(key, {})
            if change.kind == "removed":
                del place[change.path[-1]]
            else:
                place[change.path[-1]] = change.after
    return after


@given(before=GRAPHS, after=GRAPHS)
def test_the_changes_make_the_one_graph_of_the_other(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    """So none is missing; and there is none exactly where the digests are equal."""
    changes = diff_graphs(before, after)
    assert canonical(applied(before, changes)) == canonical(after)
    assert (changes == ()) == (canonical(before) == canonical(after))
    for node in changes:
        assert list(node.lines())
        assert json.loads(json.dumps(node.as_json()))["node_id"] == node.node_id


@given(before=GRAPHS, after=GRAPHS)
def test_the_way_back_is_the_same_with_its_signs_changed(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    """What was added is removed."""
    turned = {"added": "removed", "removed": "added", "changed": "changed"}
    there = {
        (turned[n.kind], n.node_id, turned[c.kind], c.path, repr((c.after, c.before)))
        for n in diff_graphs(before, after)
        for c in n.changes
    }
    back = {
        (n.kind, n.node_id, c.kind, c.path, repr((c.before, c.after)))
        for n in diff_graphs(after, before)
        for c in n.changes
    }
    assert there == back


def test_a_changed_value_is_told() -> None:
    """With node, title, input, and both values."""
    after = graph()
    after["2"]["inputs"]["steps"] = 30
    (node,) = diff_graphs(graph(), after)
    assert list(node.lines()) == [
        "~ node 2: Sample “Sampler”",
        "    ~ inputs.steps: 20 → 30",
    ]
    assert node.as_json() == {
        "kind": "changed",
        "node_id": "2",
        "class_type": "Sample",
        "title": "Sampler",
        "changes": [
            {
                "kind": "changed",
                "path": ["inputs", "steps"],
                "before": 20,
                "after": 30,
            }
        ],
    }


def test_added_removed_and_linked_nodes_are_told() -> None:
    """Links read as what they are."""
    after = graph()
    after["9"] = {"class_type": "Scale", "inputs": {"image": ["2", 0], "by": 0.5}}
    after["3"]["inputs"]["images"] = ["9", 0]
    del after["1"]
    lines = [line for node in diff_graphs(graph(), after) for line in node.lines()]
    assert lines == [
        "- node 1: Load",
        '    - inputs.ckpt_name: "a.safetensors"',
        "~ node 3: SaveImage",
        "    ~ inputs.images: output 0 of node 2 → output 0 of node 9",
        "+ node 9: Scale",
        "    + inputs.image: output 0 of node 2",
        "    + inputs.by: 0.5",
    ]


@pytest.mark.parametrize(("old", "new"), [(7, 7.0), (1, True), (0, False), (7, "7")])
def test_what_python_takes_for_equal_is_a_change(old: object, new: object) -> None:
    """A server need not, and the digests differ."""
    before, after = graph(), graph()
    before["2"]["inputs"]["cfg"], after["2"]["inputs"]["cfg"] = old, new
    assert len(diff_graphs(before, after)) == 1


def test_the_order_of_keys_is_no_change() -> None:
    """It has no part in the digest."""
    after = {key: dict(reversed(node.items())) for key, node in graph().items()}
    assert diff_graphs(graph(), dict(reversed(after.items()))) == ()


def test_long_values_are_cut_for_people_alone() -> None:
    """A script gets the whole."""
    after = graph()
    after["2"]["inputs"]["cfg"] = "x" * 5_000
    (node,) = diff_graphs(graph(), after)
    assert max(map(len, node.lines())) < 200
    assert "x" * 5_000 in json.dumps(node.as_json())


@pytest.mark.parametrize(
    ("value", "named"),
    [
        ("a.safetensors", True),
        ("sub/b.CKPT", True),
        ("sub\\c.gguf", True),
        ("a cat, b.pth", True),
        ("a.png", False),
        ("first line\nb.pt", False),
        (3, False),
        (["1", 0], False),
    ],
)
def test_which_inputs_name_model_files(value: object, named: bool) -> None:
    """By how their values end."""
    one: dict[str, Any] = {"1": {"class_type": "L", "inputs": {"name": value}}}
    assert bool(list(model_inputs(one))) is named


def manifest(**changed: object) -> Manifest:
    """A manifest with something in each part."""
    fields: dict[str, object] = {
        "name": "card",
        "version": "1.0.0",
        "summary": "A card",
        "languages": ["en"],
        "parameters": {"title": {"type": "string", "default": "Hello"}},
        "trip": {"takes": ["title"]},
        "outputs": {"card": {"node": "3"}},
        "requirements": {
            "comfyui": ">=0.3",
            "node_classes": ["SaveImage"],
            "models": [{"folder": "checkpoints", "file": "a.safetensors"}],
        },
    }
    return Manifest.model_validate({**fields, **changed})


def test_manifests_alike_have_no_difference() -> None:
    """But for the version, which the references tell."""
    found = diff_templates((manifest(), graph()), (manifest(version="1.0.1"), graph()))
    assert found.empty
    assert list(found.lines()) == [
        "card@1.0.0 → card@1.0.1",
        "  no difference in graph and manifest",
    ]
    assert found.as_json()["same"] is True


def test_each_part_of_a_manifest_is_compared() -> None:
    """Parameters and their defaults, outputs, models, needs, texts."""
    other = graph()
    other["1"]["inputs"]["ckpt_name"] = "b.safetensors"
    changed = manifest(
        version="2.0.0",
        summary="Another card",
        languages=["en", "zh"],
        parameters={
            "title": {"type": "string", "default": "Hi"},
            "mood": {"type": "boolean"},
        },
        trip={"takes": ["title", "route"], "required": ["route"]},
        outputs={"card": {"node": "3", "key": "images"}},
        requirements={"comfyui": ">=0.4", "node_classes": ["SaveImage", "Load"]},
    )
    found = diff_templates((manifest(), graph()), (changed, other))
    told = {part: [str(one) for one in of] for part, of in found.manifest.items()}
    assert told == {
        "models": [
            "- checkpoints/a.safetensors",
            "+ b.safetensors",
        ],
        "parameters": [
            '~ title.default: "Hello" → "Hi"',
            '+ mood: {"description": "", "required": false, "type": "boolean"}',
        ],
        "outputs": ['+ card.key: "images"'],
        "trip": ["+ takes.route", "+ required.route"],
        "requirements": ['~ comfyui: ">=0.3" → ">=0.4"', "+ node_classes.Load"],
        "texts": ['~ summary: "A card" → "Another card"', "+ languages.zh"],
    }
    assert [node.node_id for node in found.nodes] == ["1"]
    assert not found.empty
    assert json.loads(json.dumps(found.as_json()))["after"] == "card@2.0.0"
