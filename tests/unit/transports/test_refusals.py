"""Refusals of graphs: which class of error, which node, input, value and place."""

from __future__ import annotations

import json

import pytest
from pydantic import JsonValue

from comfyclient.errors import (
    BadAnswerError,
    MissingModelError,
    MissingNodeError,
    NodeIssue,
    Retry,
    TemplatePlace,
    ValidationError,
)
from comfyclient.transports.refusals import read_refusal


class Graph:
    """One titled node, every input of which has a place."""

    def class_type(self, node_id: str) -> str | None:
        """The class."""
        return "CheckpointLoaderSimple" if node_id == "4" else None

    def title(self, node_id: str) -> str | None:
        """The title."""
        return "The model" if node_id == "4" else None

    def value(self, node_id: str, input_name: str) -> str | None:
        """The value."""
        return "'given'" if input_name == "title" else None

    def place(
        self, node_id: str, input_name: str | None = None
    ) -> TemplatePlace | None:
        """The place."""
        return TemplatePlace("t@1.0.0", 7, input_name) if node_id == "4" else None


def refusal(body: JsonValue) -> ValidationError:
    """Read a refusal of the graph above."""
    return read_refusal(json.dumps(body).encode(), Graph())


def issue(kind: str, *, details: str = "", **extra: JsonValue) -> JsonValue:
    """One entry of a node's errors."""
    return {"type": kind, "message": "M", "details": details, "extra_info": extra}


def node(*issues: JsonValue) -> JsonValue:
    """A refusal with errors of node 4."""
    return {
        "error": {
            "type": "prompt_outputs_failed_validation",
            "message": "Prompt outputs failed validation",
            "details": "",
            "extra_info": {},
        },
        "node_errors": {"4": {"errors": list(issues), "class_type": "Loader"}},
    }


def first(*issues: JsonValue) -> NodeIssue:
    """The first issue read."""
    return refusal(node(*issues)).issues[0]


def not_in_list(
    name: str, value: JsonValue, options: list[JsonValue] | None
) -> JsonValue:
    """A value that is not among the options; None: more than the server lists."""
    config: JsonValue = None if options is None else [options, {}]
    told = "(list of length 35)" if options is None else str(options)
    return issue(
        "value_not_in_list",
        details=f"{name}: {value!r} not in {told}",
        input_name=name,
        input_config=config,
        received_value=value,
    )


def test_everything_is_told() -> None:
    """Node, class, title, input, value, choices and place stand in the message."""
    error = refusal(node(not_in_list("ckpt_name", "b.safetensors", ["a.safetensors"])))

    assert str(error).splitlines() == [
        "the server refused the graph: 1 problem in 1 node",
        "  hint: put the model file there, or choose another instance",
        "  - node 4 (Loader “The model”).ckpt_name: M; got b.safetensors;"
        " allowed: a.safetensors [t@1.0.0 line 7 {{ ckpt_name }}]",
    ]


@pytest.mark.parametrize(
    ("name", "value", "options"),
    [
        ("ckpt_name", "b.safetensors", ["a.safetensors"]),
        ("ckpt_name", "b", []),
        ("ckpt_name", "b.ckpt", None),
        ("unet_name", "x", ["y"]),
        ("vae_name", "x", ["taesd"]),
        ("lora_name", "x", ["y"]),
        ("lora_name_2", "x", ["y"]),
        ("clip_name", "x", ["y"]),
        ("clip_name3", "x", ["y"]),
        ("control_net_name", "x", ["y"]),
        ("style_model_name", "x", ["y"]),
        ("model_name", "4x.pth", []),
        ("model_name", "4x", ["2x.pth"]),
        ("model_name", "4x", None),
        ("loader.ckpt_name", "x", ["y"]),
        ("anything", "weights.GGUF", ["y"]),
    ],
)
def test_missing_model(name: str, value: str, options: list[JsonValue] | None) -> None:
    """A model file that is not in the server's list may be on another instance."""
    error = refusal(node(not_in_list(name, value, options)))

    assert type(error) is MissingModelError
    assert error.retry is Retry.ELSEWHERE


@pytest.mark.parametrize(
    ("name", "value", "options"),
    [
        ("sampler_name", "eular", ["euler"]),
        ("upscale_method", "bogus", ["area"]),
        ("model_name", "kling-v9", ["kling-v1", "kling-v2"]),
        ("model", "qwen-max", ["qwen-plus"]),
        ("clip_skip", "x", ["y"]),
    ],
)
def test_other_choices(name: str, value: str, options: list[JsonValue]) -> None:
    """Another choice that is not in its list is the graph's own fault."""
    error = refusal(node(not_in_list(name, value, options)))

    assert type(error) is ValidationError
    assert error.retry is Retry.NEVER


def test_mixed_issues() -> None:
    """A narrower class must be the whole story."""
    mixed = node(
        not_in_list("ckpt_name", "b.safetensors", []),
        issue("required_input_missing", input_name="x"),
    )

    assert type(refusal(mixed)) is ValidationError


def test_missing_node_by_id() -> None:
    """The class comes from the server, the title from the graph."""
    error = refusal(
        {
            "error": {
                "type": "missing_node_type",
                "message": "Node 'X' not found.",
                "details": "Node ID '#4'",
                "extra_info": {"node_id": "4", "class_type": "Nope", "node_title": "X"},
            },
            "node_errors": {},
        }
    )
    [found] = error.issues

    assert type(error) is MissingNodeError
    assert (found.node_id, found.class_type, found.title) == ("4", "Nope", "The model")
    assert found.place == TemplatePlace("t@1.0.0", 7)


def test_old_missing_node() -> None:
    """Older servers name the node in the details alone."""
    error = refusal(
        {
            "error": {
                "type": "invalid_prompt",
                "message": "Cannot execute because node X does not exist.",
                "details": "Node ID '#4'",
            },
            "node_errors": [],
        }
    )

    assert type(error) is MissingNodeError
    assert error.issues[0].node_id == "4"
    assert error.issues[0].class_type == "CheckpointLoaderSimple"


def test_string_error() -> None:
    """Before 0.3.28 the error may be a string; it gets the later name."""
    assert refusal({"error": "no prompt", "node_errors": []}).issues == (
        NodeIssue("no_prompt", "no prompt"),
    )


def test_other_errors_of_the_whole() -> None:
    """An error that names no node is told with its details."""
    error = {"type": "QUEUE_LIMIT", "message": "Too many", "details": "wait a minute"}

    assert refusal({"error": error}).issues == (
        NodeIssue("QUEUE_LIMIT", "Too many: wait a minute"),
    )


def test_issues_of_an_accepted_graph() -> None:
    """The answer of a graph that was accepted in part is read the same way."""
    body: JsonValue = {"prompt_id": "p", **node(issue("value_smaller_than_min"))}

    assert refusal(body).issues[0].kind == "value_smaller_than_min"
    assert refusal({**body, "error": None}).issues[0].node_id == "4"


@pytest.mark.parametrize(
    ("config", "allowed"),
    [
        ([["a", "b"], {}], "a, b"),
        ([["a", 1, None], {}], "a, 1, null"),
        ([[]], "nothing"),
        (["COMBO", {"options": ["x", "y"]}], "x, y"),
        (["COMBO", {"remote": {}}], "COMBO"),
        (["INT", {"min": 0, "max": 9}], "INT from 0 to 9"),
        (["FLOAT", {"min": 0.5}], "FLOAT from 0.5"),
        (["FLOAT", {"max": 2}], "FLOAT up to 2"),
        (["IMAGE"], "IMAGE"),
        (None, None),
        ([], None),
        ([5], None),
        ("INT", None),
    ],
)
def test_allowed(config: JsonValue, allowed: str | None) -> None:
    """Both shapes of choices, ranges and types are told; anything else is not."""
    assert first(issue("k", input_name="i", input_config=config)).allowed == allowed


def test_long_list() -> None:
    """More choices than the server tells are counted."""
    assert first(not_in_list("mode", "x", None)).allowed == "one of 35 values"
    assert len(first(not_in_list("m", "x", ["y" * 90] * 500)).allowed or "") <= 300


@pytest.mark.parametrize(
    ("value", "told"),
    [
        ("bogus", "bogus"),
        ("", '""'),
        (" ", '" "'),
        (None, "null"),
        (True, "true"),
        (["1", 0], '["1", 0]'),
        ("x" * 500, "x" * 199 + "…"),
        ("\ud800", "\\ud800"),
    ],
)
def test_value(value: JsonValue, told: str) -> None:
    """The value is short, printable text; an empty one can be seen."""
    assert first(issue("k", received_value=value)).value == told


@pytest.mark.parametrize("name", ["api_key", "token", "access_token", "Password"])
def test_secrets(name: str) -> None:
    """The value of an input named like a secret is not told, nor are its details."""
    found = refusal(
        node(
            issue("k", details=f"{name}: sk-1", input_name=name, received_value="sk-1")
        )
    )

    assert "sk-1" not in str(found)
    assert found.issues[0].value == "***"


def test_max_tokens_is_no_secret() -> None:
    """A number is told, whatever its name."""
    assert first(issue("k", input_name="token", received_value=9)).value == "9"
    assert first(issue("k", input_name="max_tokens", received_value="9")).value == "9"


@pytest.mark.parametrize(
    ("details", "extra", "message"),
    [
        ("width", {"input_name": "width"}, "M"),
        ("", {}, "M"),
        ("image - nope.png", {"input_name": "image"}, "M: image - nope.png"),
        ("'99'", {"exception_type": "KeyError"}, "M: KeyError '99'"),
        (5, {}, "M"),
    ],
)
def test_details(details: str, extra: dict[str, JsonValue], message: str) -> None:
    """Details are told where they add something."""
    assert first(issue("k", details=details, **extra)).message == message


def test_order() -> None:
    """The issues of a node stand in one order: the server's is random."""
    issues = [issue("k", input_name=name) for name in ("c", "a", "b")]
    found = [i.input_name for i in refusal(node(*issues)).issues]

    assert found == ["a", "b", "c"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        [],
        None,
        {"error": None},
        {"error": 5},
        {"node_errors": {}},
        {"node_errors": {"4": 5}},
        {"node_errors": {"4": {"errors": 5}}},
        {"message": "proxy says no"},
    ],
)
def test_no_refusal(body: JsonValue) -> None:
    """A 400 that was not given by ComfyUI is not taken for a refusal."""
    with pytest.raises(BadAnswerError):
        refusal(body)


@pytest.mark.parametrize("odd", [None, 5, [], "x", {"errors": [None, 5, [], {}]}])
def test_odd_entries(odd: JsonValue) -> None:
    """Entries of another shape do not hide the rest of a refusal."""
    body: JsonValue = {
        "error": {"type": "t", "message": "m"},
        "node_errors": {"4": odd},
    }

    assert refusal(body).issues


def test_unprintable_node_id() -> None:
    """An id that no terminal can show does not break the message."""
    errors: JsonValue = {"errors": [issue("k")]}

    assert "node \\ud800" in str(refusal({"node_errors": {"\ud800": errors}}))
