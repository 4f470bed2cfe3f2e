"""Holds a node pack against the rules: read only, or imported too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pydantic import JsonValue

from .classes import NodeClass, PackClasses, find_classes
from .code_rules import code_findings
from .findings import RULES, PackFinding
from .node_rules import input_faults, node_findings
from .source import PackSource, read_pack
from .trial import Trial


@dataclass(frozen=True, slots=True)
class PackReport:
    """What was seen of a pack, and what breaks the rules."""

    folder: Path
    nodes: tuple[str, ...]
    unseen: tuple[str, ...]
    """Nodes whose inputs only an import shows, and there was none."""
    is_dynamic: bool
    """Whether there may be nodes that only an import shows."""
    findings: tuple[PackFinding, ...]

    @property
    def has_errors(self) -> bool:
        """Whether a rule is broken that must not be."""
        return any(one.level == "error" for one in self.findings)

    @property
    def verdict(self) -> str:
        """The outcome in one line."""
        errors = sum(one.level == "error" for one in self.findings)
        warnings = len(self.findings) - errors
        seen = f"{len(self.nodes)} nodes"
        return f"{seen}, {errors} errors, {warnings} warnings"

    def as_json(self) -> dict[str, JsonValue]:
        """The report for a script."""
        return {
            "folder": str(self.folder),
            "ok": not self.has_errors,
            "nodes": list(self.nodes),
            "unseen": list(self.unseen),
            "dynamic": self.is_dynamic,
            "findings": [one.as_json() for one in self.findings],
        }


def check_pack(folder: Path, *, trial: Trial | None = None) -> PackReport:
    """Check a pack by its text, and by what its import gave where there was one.

    Raises:
        UsageError: there is no pack.
    """
    source = read_pack(folder)
    classes = find_classes(source)
    found = dict.fromkeys(_all(source, classes, trial))
    names = {node.name for node in classes.nodes}
    unseen = {one.name for one in classes.nodes if _hides(one)}
    dynamic = classes.is_dynamic
    if trial is not None and trial.nodes is not None:
        names, unseen, dynamic = set(trial.nodes), set(), False
    return PackReport(
        folder, tuple(sorted(names)), tuple(sorted(unseen)), dynamic,
        tuple(sorted(found, key=_order)),
    )  # fmt: skip


def _hides(node: NodeClass) -> bool:
    return node.inputs is None and not node.is_schema


def _order(one: PackFinding) -> tuple[bool, str, int, int]:
    return one.level != "error", one.file, one.line or 0, list(RULES).index(one.rule)


def _all(
    source: PackSource, classes: PackClasses, trial: Trial | None
) -> Iterator[PackFinding]:
    yield from source.unread
    has_mappings, shown = classes.has_mappings, classes.display_names
    if trial is not None and trial.error is None:
        has_mappings, shown = trial.has_mappings, shown | trial.display_names
    if not has_mappings:
        yield PackFinding("mappings", "NODE_CLASS_MAPPINGS is nowhere", _entry(source))
    for node in classes.nodes:
        yield from node_findings(node)
        if node.name not in shown and not node.is_schema and not classes.is_dynamic:
            words = "NODE_DISPLAY_NAME_MAPPINGS has no name for it"
            yield PackFinding("display-name", words, node.file, node.line, node.name)
    yield from code_findings(source)
    if trial is not None:
        yield from _tried(source, classes, trial)


def _tried(
    source: PackSource, classes: PackClasses, trial: Trial
) -> Iterator[PackFinding]:
    """What only the import shows."""
    if trial.error is not None:
        yield PackFinding("import-fails", trial.error, _entry(source))
        return
    written = {one.name: one for one in classes.nodes}
    for name, told in (trial.nodes or {}).items():
        node = written.get(name)
        file = _entry(source) if node is None else node.file
        line = None if node is None else node.line
        if "error" in told and (node is None or not node.is_schema):
            words = f"INPUT_TYPES failed: {told['error']}"
            yield PackFinding("import-fails", words, file, line, name)
        inputs = told.get("inputs")
        if node is not None and node.inputs is not None:
            continue  # they were written out, and have been looked at
        for section, one in inputs.items() if isinstance(inputs, dict) else ():
            if section != "hidden" and isinstance(one, dict):
                for input_name, spec in one.items():
                    for rule, message in input_faults(input_name, spec):
                        yield PackFinding(rule, message, file, line, name)


def _entry(source: PackSource) -> str:
    names = [file.name for file in source.files]
    return "__init__.py" if "__init__.py" in names or not names else names[0]
