"""What a server would make of a graph, said before it is sent."""

from __future__ import annotations

from typing import Any

import pytest

from comfyclient.errors import MissingModelError, MissingNodeError, ValidationError
from comfyclient.preflight.findings import Outlook, Report
from comfyclient.preflight.object_info import ObjectInfo
from comfyclient.preflight.preflight import DEEPEST, check
from comfyclient.workflow import InputFile, Workflow

DYNAMIC = {
    "options": [
        {"key": "auto", "inputs": {"required": {}}},
        {
            "key": "mp4",
            "inputs": {
                "required": {
                    "codec": [
                        "COMFY_DYNAMICCOMBO_V3",
                        {
                            "options": [
                                {
                                    "key": "h264",
                                    "inputs": {
                                        "required": {
                                            "crf": ["INT", {"min": 0, "max": 51}]
                                        }
                                    },
                                }
                            ]
                        },
                    ]
                }
            },
        },
    ]
}
GROWING = {
    "template": {
        "input": {"required": {"image": ["IMAGE", {}]}},
        "prefix": "image",
        "min": 2,
        "max": 4,
    }
}


def entry(
    outputs: list[Any] | None = None,
    *,
    module: str = "nodes",
    saves: bool = False,
    optional: dict[str, Any] | None = None,
    **inputs: Any,
) -> dict[str, Any]:
    """What a server says of a class."""
    return {
        "input": {"required": inputs, "optional": {} if optional is None else optional},
        "output": ["IMAGE"] if outputs is None else outputs,
        "output_node": saves,
        "python_module": module,
    }


CLASSES: dict[str, Any] = {
    "Empty": entry(width=["INT", {"min": 16, "max": 64}], tint=[["red", "blue"]]),
    "Invert": entry(image=["IMAGE"]),
    "Save": entry([], saves=True, images=["IMAGE"], filename_prefix=["STRING", {}]),
    "Noise": entry(["LATENT"]),
    "Any": entry(["*"]),
    "CheckpointLoaderSimple": entry(["MODEL"], ckpt_name=[["a.safetensors"]]),
    "LoadImage": entry(image=[["in.png"], {"image_upload": True}]),
    "Video": entry([], saves=True, format=["COMFY_DYNAMICCOMBO_V3", DYNAMIC]),
    "Batch": entry(images=["COMFY_AUTOGROW_V3", GROWING]),
    "Custom": entry(["A"], module="custom_nodes.x", size=["INT", {"min": 1}]),
    "ShowModel": entry([], saves=True, model=["MODEL,CLIP"]),
}


def info(version: str | None = "0.33.0", **more: Any) -> ObjectInfo:
    """A server with a few classes."""
    return ObjectInfo({**CLASSES, **more}, version=version, replacements={})


def node(class_type: str, **inputs: Any) -> dict[str, Any]:
    """A node of a graph."""
    return {"class_type": class_type, "inputs": inputs, "_meta": {"title": class_type}}


def saved(**nodes: dict[str, Any]) -> dict[str, Any]:
    """A graph that saves what its node `a` makes."""
    save = node("Save", images=["a", 0], filename_prefix="x")
    return {**nodes, "save": save}


EMPTY = node("Empty", width=16, tint="red")


def found(graph: dict[str, Any], **options: Any) -> list[tuple[Any, ...]]:
    """Outlook, node, kind and input of what is found."""
    report = judge(graph, **options)
    return [
        (one.outlook.value, one.issue.node_id, one.issue.kind, one.issue.input_name)
        for one in report.findings
    ]


def judge(graph: dict[str, Any], **options: Any) -> Report:
    """What the server would make of it."""
    return check(Workflow(graph), info(**options))


def test_a_sound_graph_has_no_findings() -> None:
    """Nothing is said where nothing is wrong."""
    report = judge(saved(a=EMPTY))

    assert (report.findings, report.outputs, report.lost) == ((), ("save",), ())
    assert report.verdict == "ok"
    assert report.error() is None


@pytest.mark.parametrize("width", [16, 64, "16", 16.9, " 32 ", True * 20, "3_2"])
def test_what_python_converts_is_taken(width: Any) -> None:
    """Bounds belong to the range, and servers convert before they compare."""
    assert not found(saved(a=node("Empty", width=width, tint="red")))


@pytest.mark.parametrize(
    ("width", "kind"),
    [
        (15, "value_smaller_than_min"),
        (True, "value_smaller_than_min"),
        (65, "value_bigger_than_max"),
        ("16.5", "invalid_input_type"),
        (None, "invalid_input_type"),
        ({}, "invalid_input_type"),
        ({"__value__": [1, 2]}, "invalid_input_type"),
        (float("inf"), "invalid_input_type"),
        ([], "bad_linked_input"),
        (["a", 0, 0], "bad_linked_input"),
        (["nobody", 0], "bad_linked_input"),
        (["e", "0"], "bad_linked_input"),
        (["e", 1], "bad_linked_input"),
        (["e", 0], "return_type_mismatch"),
    ],
)
def test_what_is_wrong_with_a_number_is_told(width: Any, kind: str) -> None:
    """Each in the server's own word, with the range and the value."""
    graph = saved(a=node("Empty", width=width, tint="red"), e=EMPTY)

    error, *rest = [one for one in judge(graph).findings if one.is_error]

    assert not rest
    assert (error.issue.kind, error.issue.input_name) == (kind, "width")
    assert error.issue.value is not None
    assert error.issue.allowed is not None
    assert "INT" in error.issue.allowed


def test_a_wrapped_value_is_its_value() -> None:
    """But not before 0.3.27, where it is an object like any other."""
    graph = saved(a=node("Empty", width={"__value__": 20}, tint="red"))

    assert not found(graph)
    assert found(graph, version="0.3.26") == [
        ("refused", "a", "invalid_input_type", "width")
    ]


def test_all_problems_are_told_at_once() -> None:
    """Behind a wrong link too, where the server would stop."""
    graph = {
        "save": node("Save", images=["b", 0]),
        "b": node("Invert", image=["n", 0]),
        "n": node("Noise", extra=1),
        "c": node("Invert"),
        "d": node("Nope"),
    }

    assert found(graph) == [
        ("refused", "save", "required_input_missing", "filename_prefix"),
        ("refused", "b", "return_type_mismatch", "image"),
        ("refused", "d", "missing_node_type", None),
        ("ignored", "n", "unknown_input", "extra"),
        ("ignored", "c", "idle_node", None),
    ]


def test_only_what_an_output_needs_is_checked() -> None:
    """A node that leads nowhere may be as wrong as it likes."""
    assert found(saved(a=EMPTY, b=node("Empty"))) == [
        ("ignored", "b", "idle_node", None)
    ]


def test_a_graph_without_outputs_is_refused() -> None:
    """But not blamed where an unknown class may be its output."""
    assert ("refused", None, "prompt_no_outputs", None) in found({"a": EMPTY})
    unknown = found({"a": EMPTY, "b": node("Saver", images=["a", 0])})
    assert [kind for _, _, kind, _ in unknown] == ["missing_node_type", "idle_node"]


def test_a_missing_class_is_named_with_its_pack_or_the_nearest() -> None:
    """So that one knows what to install, or what was meant."""
    messages = [
        judge(saved(a=node(name))).errors[0].message
        for name in ("VHS_LoadVideo", "Emptyy", "Zzzzzzz")
    ]

    assert "ComfyUI-VideoHelperSuite" in messages[0]
    assert "did you mean Empty?" in messages[1]
    assert messages[2].endswith("no node class Zzzzzzz")


def test_only_missing_classes_are_a_missing_node_error() -> None:
    """A narrower error must be the whole story."""
    assert isinstance(judge(saved(a=node("Nope"))).error(), MissingNodeError)
    both = judge({**saved(a=node("Nope")), "s": node("Save", images=["a", 0])})
    assert type(both.error()) is ValidationError


def test_a_missing_model_names_its_folder() -> None:
    """And what is there instead."""
    graph = {
        "1": node("CheckpointLoaderSimple", ckpt_name="b.safetensors"),
        "2": node("ShowModel", model=["1", 0]),
    }

    error = judge(graph).error(instance="l20")

    assert isinstance(error, MissingModelError)
    assert error.instance == "l20"
    assert "models/checkpoints" in error.issues[0].message
    assert error.issues[0].allowed == "a.safetensors"


@pytest.mark.parametrize(
    ("value", "outlook"),
    [
        ("in.png", None),
        ("in.png [input]", None),
        ("made.png [output]", None),
        ("sent.png", None),
        ("sub/sent.png", None),
        ("gone.png", "refused"),
        ("gone.jpg [input]", "refused"),
        ("sub/other.png", "doubtful"),
        ("no-suffix", "doubtful"),
        (5, "refused"),
    ],
)
def test_pictures_are_looked_for_in_the_input_folder(
    value: Any, outlook: str | None
) -> None:
    """What goes with the workflow is there in time; what no list shows is a doubt."""
    files = [InputFile(name, "", 0, None) for name in ("sent.png", "sub/sent.png")]
    workflow = Workflow(saved(a=node("LoadImage", image=value)), files=files)

    report = check(workflow, info())

    said = [one.outlook.value for one in report.findings]
    assert said == ([] if outlook is None else [outlook])


def test_a_circle_is_told_with_its_way() -> None:
    """For each of its nodes; older servers find it when they run it."""
    graph = saved(a=node("Invert", image=["b", 0]), b=node("Invert", image=["a", 0]))

    for version, outlook in (("0.33.0", Outlook.REFUSED), ("0.3.40", Outlook.FAILS)):
        findings = judge(graph, version=version).findings

        assert [one.outlook for one in findings] == [outlook] * 2
        assert "a → b → a" in findings[0].issue.message
        assert "b → a → b" in findings[1].issue.message


@pytest.mark.parametrize(
    "inputs",
    [
        {"format": "auto"},
        {"format": "mp4", "format.codec": "h264", "format.codec.crf": 3},
    ],
)
def test_what_a_choice_opens_is_known(inputs: dict[str, Any]) -> None:
    """Dotted names are inputs like any others."""
    assert not found({"v": node("Video", **inputs)})


@pytest.mark.parametrize(
    ("inputs", "expected"),
    [
        ({}, [("fails", "v", "invalid_dynamic_input", "format")]),
        ({"format": "bogus"}, [("fails", "v", "invalid_dynamic_input", "format")]),
        (
            {"format": "mp4", "format.codec": "no"},
            [("doubtful", "v", "invalid_dynamic_input", "format.codec")],
        ),
        (
            {"format": "mp4", "format.codec": "h264"},
            [("refused", "v", "required_input_missing", "format.codec.crf")],
        ),
        (
            {"format": "mp4", "format.codec": "h264", "format.codec.crf": 99},
            [("refused", "v", "value_bigger_than_max", "format.codec.crf")],
        ),
        (
            {"format": "mp4", "codec": "h264"},
            [
                ("doubtful", "v", "invalid_dynamic_input", "format.codec"),
                ("ignored", "v", "unknown_input", "codec"),
            ],
        ),
    ],
)
def test_choices_are_checked_though_the_server_does_not(
    inputs: dict[str, Any], expected: list[Any]
) -> None:
    """A choice that is none makes the node fail; what it opens, the server checks."""
    assert found({"v": node("Video", **inputs)}) == expected


def test_a_flat_name_is_told_its_dotted_one() -> None:
    """Graphs of older releases name a choice's input without its choice."""
    graph = {"v": node("Video", format="mp4", codec="h264")}

    assert "did you mean format.codec?" in judge(graph).warnings[1].message


def test_an_input_that_grows_needs_its_first_entries() -> None:
    """And takes no more than it can hold."""
    images = {f"images.image{number}": ["e", 0] for number in (0, 4)}

    assert found(saved(a=node("Batch", **images), e=EMPTY)) == [
        ("refused", "a", "required_input_missing", "images.image1"),
        ("ignored", "a", "unknown_input", "images.image4"),
    ]


def test_a_value_for_a_link_makes_the_node_fail() -> None:
    """Servers take it without a word."""
    assert found(saved(a=node("Invert", image="hello"))) == [
        ("fails", "a", "value_in_place_of_link", "image")
    ]


def test_classes_of_packs_are_doubted_not_accused() -> None:
    """Such a class may look at its inputs itself, and the server then does not."""
    graph = {
        "1": node("Custom", size=0),
        "2": node("ShowModel", model=["1", 0]),
    }
    report = judge(graph)

    assert report.ok
    assert [one.kind for one in report.warnings] == [
        "value_smaller_than_min",
        "return_type_mismatch",
    ]
    assert report.verdict == "2 warnings"


@pytest.mark.parametrize(
    ("source", "wanted", "fits"),
    [
        ("IMAGE", "IMAGE", True),
        ("MASK", "IMAGE", False),
        ("MASK", "IMAGE, MASK", True),
        ("*", "IMAGE", True),
        ("IMAGE", "*", True),
        ("IMAGE", "COMFY_MATCHTYPE_V3", True),
        ("COMFY_MATCHTYPE_V3", "IMAGE", True),
        (["a", "b"], ["a", "b"], True),
        (["a"], ["a", "b"], False),
        ("STRING", ["a", "b"], False),
        ("COMBO", "COMBO", True),
        ("STRING", "COMBO", False),
        (["a"], "COMBO", True),
    ],
)
def test_links_fit_by_the_servers_rules(source: Any, wanted: Any, fits: bool) -> None:
    """Unions, any type, matching types and lists of choices."""
    more = {"Source": entry([source]), "Taker": entry([], saves=True, x=[wanted])}
    graph = {"1": node("Source"), "2": node("Taker", x=["1", 0])}

    assert judge(graph, **more).ok is fits


@pytest.mark.parametrize(
    ("source", "outlooks"),
    [("IMAGE", []), ("MASK", []), ("*", []), ("LATENT", ["fails"])],
)
def test_an_input_that_matches_others_takes_some_types(
    source: str, outlooks: list[str]
) -> None:
    """Servers do not look at these, so the node would fail."""
    match = {"template": {"template_id": "t", "allowed_types": "IMAGE,MASK"}}
    taker = entry([], saves=True, x=["COMFY_MATCHTYPE_V3", match])
    graph = {"1": node("Source"), "2": node("Taker", x=["1", 0])}

    said = found(graph, Source=entry([source]), Taker=taker)

    assert [outlook for outlook, *_ in said] == outlooks


def test_an_output_that_does_not_depend_on_the_error_runs() -> None:
    """With `allow_partial`, the rest may be sent."""
    graph = {**saved(a=EMPTY), "s2": node("Save", images=["n", 0], filename_prefix="")}
    graph["n"] = node("Noise")
    report = judge(graph)

    assert (report.outputs, report.lost) == (("save", "s2"), ("s2",))
    assert report.error(allow_partial=True) is None
    assert isinstance(report.error(), ValidationError)


def test_what_fails_only_when_it_runs_takes_the_whole_job() -> None:
    """The server would drop nothing: `allow_partial` does not help."""
    graph = {**saved(a=EMPTY), "s2": node("Save", images="no", filename_prefix="")}
    report = judge(graph)

    assert (report.refused, report.partial) == (False, True)
    error = report.error(allow_partial=True)
    assert error is not None
    assert "take the graph, and the job fail" in error.message


def test_a_replaced_class_is_checked_as_its_heir() -> None:
    """Its inputs are moved as the server moves them."""
    moves = [{"new_id": "image", "old_id": "pixels"}]
    offered = ObjectInfo(
        CLASSES,
        version="0.33.0",
        replacements={"Old": [{"new_node_id": "Invert", "input_mapping": moves}]},
    )

    def outlooks(**inputs: Any) -> list[str]:
        graph = saved(a=node("Old", **inputs), e=EMPTY)
        report = check(Workflow(graph), offered)
        return [one.outlook.value for one in report.findings if not report.ok] or [
            one.issue.kind for one in report.findings
        ]

    assert outlooks(pixels=["e", 0]) == ["replaced_node"]
    assert outlooks()[:2] == ["refused", "refused"]


def test_a_secret_is_not_shown() -> None:
    """The value of an input that is named like one."""
    more = {"Ask": entry([], saves=True, api_key=[["none"]])}
    report = judge({"1": node("Ask", api_key="hunter2")}, **more)

    assert report.errors[0].value == "***"
    assert "hunter2" not in str(report.error())


def test_very_long_chains_are_doubted() -> None:
    """Servers follow links by recursion, which ends."""
    graph: dict[str, Any] = {"0": EMPTY}
    for number in range(1, DEEPEST + 1):
        graph[str(number)] = node("Invert", image=[str(number - 1), 0])
    graph["save"] = node("Save", images=[str(DEEPEST), 0], filename_prefix="")

    assert found(graph) == [("doubtful", None, "graph_too_deep", None)]


def test_older_servers_check_less() -> None:
    """A choice written the new way is a doubt where the release does not look at it."""
    more = {"Pick": entry([], saves=True, x=["COMBO", {"options": ["a"]}])}
    graph = {"1": node("Pick", x="b")}

    for version, outlook in (("0.33.0", "refused"), ("0.3.64", "doubtful")):
        assert [one[0] for one in found(graph, version=version, **more)] == [outlook]


def test_the_release_shows_in_what_the_classes_say() -> None:
    """Where no version is known, as in a bare answer that was saved."""
    pick = entry([], saves=True, x=["COMBO", {"options": ["a"]}])
    graph = {"1": node("Pick", x="b")}

    assert [one[0] for one in found(graph, version=None, Pick=pick)] == ["doubtful"]
    newer = {**pick, "is_input_list": False}
    assert [one[0] for one in found(graph, version=None, Pick=newer)] == ["refused"]


def test_the_report_speaks_json() -> None:
    """With the outlook, what is allowed, and all of it as text."""
    report = judge(saved(a=node("Empty", width=1, tint="red"))).as_json()

    assert report["ok"] is False
    assert report["lost"] == ["save"]
    (finding,) = report["findings"]  # type: ignore[misc]
    assert finding["level"] == "error"  # type: ignore[index,call-overload]
    assert finding["allowed"] == "INT from 16 to 64"  # type: ignore[index,call-overload]
