"""What a server says is wrong with a graph, as our errors. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from pydantic import JsonValue

from ..errors import (
    MissingModelError,
    MissingNodeError,
    NodeIssue,
    TemplatePlace,
    ValidationError,
)
from ..graph import links
from ..workflow import Workflow
from .wire import (
    JsonObject,
    brief,
    object_or_empty,
    parse_object,
    printable,
    shortened,
    text_or,
    wrong,
)


class GraphInfo(Protocol):
    """What an error wants to know of the submitted graph."""

    def class_type(self, node_id: str) -> str | None:
        """The node's class."""

    def title(self, node_id: str) -> str | None:
        """The node's title, where it has one."""

    def place(
        self, node_id: str, input_name: str | None = None
    ) -> TemplatePlace | None:
        """Where in the template the node, or one of its inputs, came from."""

    def value(self, node_id: str, input_name: str) -> str | None:
        """What an input was given, as short text; None where there is none."""


def read_refusal(body: bytes, graph: GraphInfo) -> ValidationError:
    """The error that a 400 of `POST /prompt` means, or the issues of a 200.

    Raises:
        BadAnswerError: it is not what ComfyUI answers.
    """
    answer = parse_object(body, "the refusal of a graph")
    issues = issues_of(answer, graph)
    if not issues:
        raise wrong("the error of a refusal", answer.get("error"), "an object")
    return _narrowest(issues)(
        f"the server refused the graph: {_summary(answer, issues)}",
        issues=issues,
        hint=_hint(issues),
    )


def issues_of(answer: JsonObject, graph: GraphInfo | None) -> tuple[NodeIssue, ...]:
    """Every issue that an answer to `POST /prompt` names.

    Before 0.3.28 an empty `node_errors` is a list, and `error` may be a string.
    """
    reader = _IssueReader(graph)
    nodes = object_or_empty(answer.get("node_errors"))
    issues = [
        issue
        for node_id, node in nodes.items()
        for issue in reader.of_node(node_id, node)
    ]
    error = answer.get("error")
    if not issues and isinstance(error, str | dict):
        issues = [reader.of_graph(error)]
    return tuple(issues)


@dataclass(frozen=True, slots=True)
class _IssueReader:
    graph: GraphInfo | None

    def of_node(self, node_id: str, node: JsonValue) -> list[NodeIssue]:
        """The issues under one key of `node_errors`."""
        said = object_or_empty(node)
        errors = said.get("errors")
        class_type = _text(said.get("class_type")) or self._class(node_id)
        issues = [
            self._issue(object_or_empty(error), node_id, class_type)
            for error in (errors if isinstance(errors, list) else [])
        ]
        # the server walks a set: without order the same graph reads differently
        return sorted(issues, key=lambda issue: issue.input_name or "")

    def of_graph(self, error: JsonValue) -> NodeIssue:
        """The issue of a whole answer, which may still name a node."""
        if isinstance(error, str):
            return NodeIssue(
                shortened(error.replace(" ", "_"), 40), shortened(error, 300)
            )
        said = object_or_empty(error)
        details = text_or(said.get("details"), "")
        extra = object_or_empty(said.get("extra_info"))
        named = _NODE_ID.search(details)
        node_id = _text(extra.get("node_id")) or (named[1] if named else None)
        if node_id is None:
            return _bare(said, details)
        class_type = _text(extra.get("class_type")) or self._class(node_id)
        said = {**said, "details": ""}
        return self._issue(said, node_id, class_type)

    def _issue(
        self, error: JsonObject, node_id: str, class_type: str | None
    ) -> NodeIssue:
        extra = object_or_empty(error.get("extra_info"))
        input_name = _text(extra.get("input_name"))
        value = _received(error, extra, input_name)
        allowed = _allowed(error, extra)
        told = value == _HIDDEN or (value is not None and allowed is not None)
        return NodeIssue(
            kind=printable(text_or(error.get("type"), "unknown")),
            message=_message(error, extra, bare=told),
            node_id=printable(node_id),
            class_type=class_type,
            title=self._title(node_id, extra),
            input_name=input_name,
            value=value,
            allowed=allowed,
            place=self.graph.place(node_id, input_name) if self.graph else None,
        )

    def _class(self, node_id: str) -> str | None:
        return None if self.graph is None else self.graph.class_type(node_id)

    def _title(self, node_id: str, extra: JsonObject) -> str | None:
        told = None if self.graph is None else self.graph.title(node_id)
        return told if told is not None else _text(extra.get("node_title"))


_NODE_ID = re.compile(r"^Node ID '#(.+)'$", re.DOTALL)


def _bare(said: JsonObject, details: str) -> NodeIssue:
    message = printable(text_or(said.get("message"), "no reason given"))
    if details and details != message:
        message = f"{message}: {shortened(details, 300)}"
    return NodeIssue(printable(text_or(said.get("type"), "unknown")), message)


def _message(error: JsonObject, extra: JsonObject, *, bare: bool) -> str:
    """The server's words, with its details where they add something."""
    message = shortened(text_or(error.get("message"), "no reason given"), 300)
    details = text_or(error.get("details"), "")
    if bare or not details or details == extra.get("input_name"):
        return message
    exception = _text(extra.get("exception_type"))
    said = f"{exception} {details}" if exception else details
    return f"{message}: {shortened(said, 300)}"


def _received(
    error: JsonObject, extra: JsonObject, input_name: str | None
) -> str | None:
    if error.get("type") == "return_type_mismatch":
        return _text(extra.get("received_type"))
    if "received_value" not in extra:
        return None
    value = extra["received_value"]
    if isinstance(value, str) and _SECRET.search(input_name or ""):
        return _HIDDEN
    return brief(value, 200)


_HIDDEN = "***"
_SECRET = re.compile(r"(?i)(^|_)(api_?key|key|token|secret|password|passwd)$")


def _allowed(error: JsonObject, extra: JsonObject) -> str | None:
    counted = _COUNTED.search(text_or(error.get("details"), ""))
    if counted:
        return f"one of {counted[1]} values"
    options = _options(extra)
    if options is not None:
        return shortened(", ".join(brief(o) for o in options[:20]), 300) or "nothing"
    match extra.get("input_config"):
        case [str(kind), dict(limits)]:
            return kind + _range(limits)
        case [str(kind), *_]:
            return kind
        case _:
            return None


_COUNTED = re.compile(r"\(list of length (\d+)\)$")


def _range(limits: JsonObject) -> str:
    low, high = limits.get("min"), limits.get("max")
    if low is not None and high is not None:
        return f" from {brief(low)} to {brief(high)}"
    if low is not None:
        return f" from {brief(low)}"
    return "" if high is None else f" up to {brief(high)}"


def _options(extra: JsonObject) -> list[JsonValue] | None:
    """The choices of a combo, which come in an old and a new shape."""
    match extra.get("input_config"):
        case [list(options), *_]:
            return options
        case [_, {"options": list(options)}, *_]:
            return options
        case _:
            return None


def _narrowest(issues: tuple[NodeIssue, ...]) -> type[ValidationError]:
    """The class that fits every issue: a narrower one must be the whole story."""
    if issues and all(_lacks_node(issue) for issue in issues):
        return MissingNodeError
    if issues and all(_lacks_model(issue) for issue in issues):
        return MissingModelError
    return ValidationError


def _lacks_node(issue: NodeIssue) -> bool:
    """The class is not there; a node that names none is the graph's own fault."""
    if issue.kind == "missing_node_type":
        return "has no class_type" not in issue.message
    return issue.kind == "invalid_prompt" and "does not exist" in issue.message


def _lacks_model(issue: NodeIssue) -> bool:
    if issue.kind != "value_not_in_list":
        return False
    if (issue.value or "").lower().endswith(MODEL_SUFFIXES):
        return True
    name = (issue.input_name or "").rpartition(".")[2]
    if not _MODEL_INPUT.search(name):
        return False
    # nodes that call a web service have a `model_name` too, which is no file
    allowed = (issue.allowed or "").lower()
    told = allowed and not allowed.startswith(("one of ", "nothing"))
    return not (told and name.startswith("model")) or any(
        suffix in allowed for suffix in MODEL_SUFFIXES
    )


MODEL_SUFFIXES = (
    ".safetensors",
    ".sft",
    ".ckpt",
    ".pt",
    ".pth",
    ".bin",
    ".gguf",
    ".onnx",
)
"""How the names of model files end."""

_MODEL_INPUT = re.compile(
    r"(?i)(^|_)(ckpt|checkpoint|unet|vae|lora|clip|control_?net|style_model|model"
    r"|gligen|hypernetwork|embedding|encoder|upscaler)_?(name|file|path)_?\d*$"
)


def _summary(answer: JsonObject, issues: tuple[NodeIssue, ...]) -> str:
    if object_or_empty(answer.get("node_errors")):
        nodes = len({issue.node_id for issue in issues})
        problems = "1 problem" if len(issues) == 1 else f"{len(issues)} problems"
        return f"{problems} in {'1 node' if nodes == 1 else f'{nodes} nodes'}"
    classes = sorted({i.class_type for i in issues if _lacks_node(i) and i.class_type})
    if classes:  # the server's own words give the title, which says less
        return f"the server has no node class {', '.join(classes)}"
    return issues[0].message


def _hint(issues: tuple[NodeIssue, ...]) -> str | None:
    if not issues:
        return None
    error = _narrowest(issues)
    if error is MissingNodeError:
        return "install the node pack there, or choose another instance"
    if error is MissingModelError:
        return "put the model file there, or choose another instance"
    return _HINTS.get(issues[0].kind)


_HINTS: Mapping[str, str] = {
    # up to 0.19 a cycle is refused without a word on where it is
    "prompt_outputs_failed_validation": (
        "no node is named: look for links that form a circle"
    ),
    "exception_during_validation": (
        "look for a link whose node or slot does not exist, or a node without `inputs`;"
        " the node id in a link is a string"
    ),
    "dependency_cycle": "cut one of the links that form the circle",
    "prompt_no_outputs": "add a node that saves or previews, such as SaveImage",
    "missing_node_type": "give every node a class_type",
    "invalid_prompt": "give every node a class_type",
}


def _text(value: JsonValue) -> str | None:
    return printable(value) if isinstance(value, str) and value else None


def dropped(
    workflow: Workflow, outputs: frozenset[str] | None
) -> tuple[NodeIssue, ...]:
    """The named results that a server will not make, by the outputs that it will run.

    What was wrong with them it told in the answer that was lost. A node that others
    draw on may run although it is no output, so only the last ones are looked at.
    """
    if outputs is None:
        return ()
    used = {source for node in workflow.graph.values() for _, source in links(node)}
    missing = {one.node_id for one in workflow.outputs} - outputs - used
    return tuple(
        NodeIssue(
            "output_dropped",
            "the server took the graph without this output; why, it told in an answer "
            "that was lost",
            node_id=node_id,
            class_type=workflow.class_type(node_id),
            title=workflow.title(node_id),
            place=workflow.place(node_id),
        )
        for node_id in sorted(missing)
    )
