"""What the servers would make of the pinned templates, and what these call out to."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager

from ..eas.egress import calling_classes
from ..preflight.checking import take
from ..preflight.findings import Finding, Lack
from ..preflight.object_info import ObjectInfo
from ..preflight.own_checks import OUR_PACK
from ..preflight.preflight import check
from ..timing import Clock, Deadline
from ..transports.base import Transport
from ..workflow import Workflow
from .base import Diagnosis, fail, ok, skipped, warn


class Kitchen:
    """One instance's node classes, and the graphs that it is to run."""

    def __init__(
        self,
        opened: Callable[[], AbstractContextManager[Transport]],
        workflows: Mapping[str, Workflow],
        *,
        clock: Clock,
    ) -> None:
        self._opened = opened
        self._workflows = workflows
        self._clock = clock
        self._info: ObjectInfo | None = None

    def nodes(self, deadline: Deadline, *, is_queue: bool) -> Diagnosis:
        """Whether the server would run every graph."""
        if is_queue:
            return skipped(
                "the API edition does not tell its node classes",
                "comfyclient eas layout --check tells which files are there",
            )
        with self._opened() as instance:
            self._info = take(instance, deadline=deadline, clock=self._clock).info
        found = list(self._errors(self._info))
        if found:
            return fail("; ".join(_told(found)), _remedy(found))
        return ok(
            f"{len(self._info)} node classes; it would run "
            f"{', '.join(self._workflows) or 'nothing, for nothing is pinned'}"
        )

    def _errors(self, info: ObjectInfo) -> Iterator[tuple[str, Finding]]:
        for ref, workflow in self._workflows.items():
            for finding in check(workflow, info).findings:
                if finding.is_error:
                    yield ref, finding

    def egress(self, deadline: Deadline) -> Diagnosis:
        """Whether a graph has nodes that need the internet from inside the service."""
        found = calling_classes(self._workflows, also=self._is_api_node)
        calling = [f"{class_type} of {ref}" for class_type, ref in found.items()]
        if not calling:
            return ok("no node of a pinned template calls out of its service")
        return warn(
            f"{', '.join(sorted(calling)[:4])}: whether the service reaches the "
            "internet cannot be seen from here",
            "the service needs cloud.networking (`eas spec --vpc`), and the VPC an "
            "internet NAT gateway with an EIP and an SNAT entry for the vSwitch",
        )

    def _is_api_node(self, class_type: str) -> bool:
        entry = {} if self._info is None else self._info.entries.get(class_type)
        return isinstance(entry, dict) and entry.get("api_node") is True


def _told(found: Sequence[tuple[str, Finding]]) -> Iterator[str]:
    """What is missing, by kind; of the rest, the first few."""
    for lack, words in _LACKS.items():
        lacking = [(ref, finding) for ref, finding in found if finding.lacks == lack]
        names = {_missing(finding) for _, finding in lacking}
        if names:
            refs = ", ".join(sorted({ref for ref, _ in lacking}))
            yield f"no {words} {', '.join(sorted(names)[:8])}{_more(names, 8)} ({refs})"
    others = {
        f"{ref}: {finding.issue}": None
        for ref, finding in found
        if finding.lacks is None
    }
    yield from list(others)[:3]
    if len(others) > 3:
        yield f"and {len(others) - 3} more"


_LACKS: Mapping[Lack, str] = {"node": "class", "model": "model", "file": "file"}


def _missing(finding: Finding) -> str:
    issue = finding.issue
    name = issue.class_type if finding.lacks == "node" else issue.value
    return str(name if name is not None else issue.node_id)


def _more(names: Collection[str], shown: int) -> str:
    return f" and {len(names) - shown} more" if len(names) > shown else ""


def _remedy(found: Sequence[tuple[str, Finding]]) -> str:
    lacks = {finding.lacks for _, finding in found}
    if lacks <= {None}:
        return "change the template, or the parameters of its sample trip"
    if lacks & {"model", "file"}:
        return (
            "comfyclient eas layout --check says which files are missing; after an "
            "upload the service must be restarted"
        )
    classes = {finding.issue.class_type for _, finding in found}
    if classes & OUR_PACK:
        return "comfyclient eas layout --push uploads our own pack; restart the service"
    return "install the packs that have these classes; restart the service then"
