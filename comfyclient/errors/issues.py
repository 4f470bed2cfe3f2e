"""What is wrong with a graph, and where it was written. Pure."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TemplatePlace:
    """Where in a template a value of the graph came from."""

    template: str
    """`name@version`, or the path of a graph file."""
    line: int
    """Line in `workflow.json.j2`, from 1."""
    expression: str | None = None
    """The slot's source, such as `trip.title`; None for fixed text."""

    def __str__(self) -> str:
        slot = f" {{{{ {self.expression} }}}}" if self.expression else ""
        return f"{self.template} line {self.line}{slot}"


@dataclass(frozen=True, slots=True)
class NodeIssue:
    """One thing that is wrong with one node of a graph."""

    kind: str
    """The server's own type, such as `value_not_in_list`."""
    message: str
    node_id: str | None = None
    class_type: str | None = None
    title: str | None = None
    input_name: str | None = None
    value: str | None = None
    """The value received, as short text."""
    allowed: str | None = None
    """What the input takes, as short text."""
    place: TemplatePlace | None = None
    instances: tuple[str, ...] = ()
    """The instances where it is wrong, where several were asked."""

    def __str__(self) -> str:
        node = "graph" if self.node_id is None else f"node {self.node_id}"
        if self.class_type:
            node += f" ({self.class_type}{_titled(self.title, self.class_type)})"
        if self.input_name:
            node += f".{self.input_name}"
        text = f"{node}: {self.message}"
        if self.value is not None:
            text += f"; got {self.value}"
        if self.allowed is not None:
            text += f"; allowed: {self.allowed}"
        if self.place is not None:
            text += f" [{self.place}]"
        return f"{text} (on {', '.join(self.instances)})" if self.instances else text


def _titled(title: str | None, class_type: str) -> str:
    return f" “{title}”" if title and title != class_type else ""
