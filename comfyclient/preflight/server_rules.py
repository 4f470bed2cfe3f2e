"""Which rules a server checks graphs by: as seen in its object_info, or by version.

Pure. Where neither tells, a rule is taken as not known: what it would find is then
said as a doubt, not as an error.
"""

from __future__ import annotations

from dataclasses import dataclass

from packaging.version import Version

from ..transports.profile import parse_version
from .object_info import ObjectInfo

WRAPPED_VALUES = Version("0.3.27")
REPLACED_NODES = Version("0.14.0")
SIGNS = (
    ("has_intermediate_output", Version("0.19.0")),
    ("is_input_list", Version("0.12.0")),
)
"""Keys that every class has from a release on, the newest first."""


@dataclass(frozen=True, slots=True)
class ServerRules:
    """What one server makes of a graph, where releases differ."""

    wraps_values: bool = True
    """`{"__value__": [...]}` is a literal list."""
    checks_combos: bool = False
    """A `COMBO` input's value must be one of its options; a list always was checked."""
    checks_lists: bool = False
    """Each item of a list given to a combo that takes several must be an option."""
    expands_inputs: bool = False
    """The inputs that a dynamic one stands for are checked like any others."""
    requires_grown: bool = False
    """The first inputs of one that grows must be there."""
    refuses_circles: bool = False
    """Before, a circle of links is found by luck, or when it is run."""
    replaces_nodes: bool = False
    """Some classes of older releases are replaced before the graph is checked."""


def rules_of(info: ObjectInfo) -> ServerRules:
    """The rules of the server that sent this."""
    version = _at_least(info)
    if version is None:
        return ServerRules()
    return ServerRules(
        wraps_values=version >= WRAPPED_VALUES,
        checks_combos=version >= Version("0.8.0"),
        checks_lists=version >= Version("0.26.0"),
        expands_inputs=version >= Version("0.9.0"),
        requires_grown=version >= Version("0.26.0"),
        refuses_circles=version >= Version("0.20.0"),
        replaces_nodes=version >= REPLACED_NODES,
    )


def replaces_nodes(info: ObjectInfo) -> bool:
    """Whether the server that sent this replaces classes, and can be asked which."""
    return rules_of(info).replaces_nodes


def _at_least(info: ObjectInfo) -> Version | None:
    """The server's version, or the oldest that sends such an object_info."""
    said = parse_version(info.version)
    if said is not None:
        return said
    for key, since in SIGNS:
        if any(isinstance(one, dict) and key in one for one in info.entries.values()):
            return since
    return None
