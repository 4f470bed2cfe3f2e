"""What a server would make of a graph, said before it is sent."""

from __future__ import annotations

from typing import Any

import pytest

from comfyclient.errors import MissingModelError, MissingNodeError, ValidationError
from comfyclient.preflight.findings import Outlook
from comfyclient.preflight.object_info import ObjectInfo
from comfyclient.preflight.preflight import DEEPEST, check
from comfyclient.workflow import InputFile, Workflow

from .classes import CLASSES, EMPTY, entry, found, info, judge, node, saved


def test_a_sound_graph_has_no_findings() -> None:
    """Nothing is said where nothing is wrong."""
    report = judge(saved(a=EMPTY))

    assert (report.findings, report.outputs, report.lost) == ((), ("save",), ())
    assert report.verdict == "ok"
    assert report.error() is None


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
