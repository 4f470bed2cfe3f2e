"""Node ids as servers tell them. Pure."""

from __future__ import annotations

import re


def submitted_id(node_id: str) -> str:
    """The node of the submitted graph that a node id belongs to.

    Node expansion names its nodes `<parent>.<call>.<graph>.<n>`, level upon level;
    an id that merely contains a dot is a submitted one.
    """
    found = _EPHEMERAL.match(node_id) if "." in node_id else None
    return node_id if found is None else found[1]


_EPHEMERAL = re.compile(r"(.+?)\.\d+\.\d+\.", re.DOTALL)
