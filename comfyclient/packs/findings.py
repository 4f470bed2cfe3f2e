"""The rules for node packs, each with its reason, and what breaking one looks like."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pydantic import JsonValue

Level: TypeAlias = Literal["error", "warning"]


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule; its name stands in findings."""

    level: Level
    why: str


RULES: Mapping[str, Rule] = {
    "readable": Rule(
        "error",
        "a file that is no Python keeps the whole pack away",
    ),
    "mappings": Rule(
        "error",
        "the server finds nodes by NODE_CLASS_MAPPINGS, or by "
        "comfy_entrypoint, and by nothing else",
    ),
    "display-name": Rule(
        "warning",
        "people look for a name, not for a class",
    ),
    "interface": Rule(
        "error",
        "without INPUT_TYPES, RETURN_TYPES, FUNCTION and the method that it"
        " names, a node cannot be run",
    ),
    "category": Rule(
        "warning",
        "a node without CATEGORY is hard to find in the menu",
    ),
    "return-types": Rule(
        "error",
        '("IMAGE") is a text: its letters would be the types; write ("IMAGE",)',
    ),
    "return-names": Rule(
        "error",
        "names and types are paired by place; a missing one shifts the others",
    ),
    "output-node": Rule(
        "error",
        "a node that gives nothing runs only as OUTPUT_NODE",
    ),
    "signature": Rule(
        "error",
        "the server passes inputs by name, and an optional one only where "
        "it is linked or set",
    ),
    "description": Rule(
        "warning",
        "people read DESCRIPTION where they choose a node",
    ),
    "range": Rule(
        "warning",
        "without min and max anybody may ask for a picture that no memory holds",
    ),
    "default": Rule(
        "error",
        "a node dropped on the canvas would not run as it is",
    ),
    "tooltip": Rule(
        "warning",
        "an input's meaning and unit are not in its name",
    ),
    "secret-input": Rule(
        "error",
        "inputs are saved into every picture, the history and exported "
        "workflows; read a key from the server's environment",
    ),
    "always-changed": Rule(
        "warning",
        "a value that never equals itself runs the node, and all after it, "
        "on every job; where a service is asked, that is paid",
    ),
    "never-changed": Rule(
        "warning",
        "IS_CHANGED gives a value to compare, no verdict: True always equals True",
    ),
    "unseeded": Rule(
        "warning",
        "chance without a seed input cannot be repeated, and the cache "
        "keeps the first outcome",
    ),
    "global-seed": Rule(
        "warning",
        "seeding a global generator changes what other nodes draw; use a "
        "generator of your own",
    ),
    "own-validation": Rule(
        "warning",
        "for inputs that VALIDATE_INPUTS names (**kwargs: all) the server "
        "leaves out its own checks of range and choice",
    ),
    "timeout": Rule(
        "error",
        "a server has one worker: a request without a timeout can stop it for ever",
    ),
    "interrupt": Rule(
        "warning",
        "a wait that does not ask whether it was interrupted goes on after "
        "the user stopped the job",
    ),
    "endless-wait": Rule(
        "warning",
        "a loop that waits needs an end of its own",
    ),
    "code-from-text": Rule(
        "error",
        "eval and exec run whatever a workflow says, and workflows come from strangers",
    ),
    "unpickling": Rule(
        "error",
        "loading a pickle runs code of whoever made the file; use "
        "safetensors, or weights_only=True",
    ),
    "tls": Rule(
        "error",
        "without verification anybody on the way reads the key",
    ),
    "shell": Rule(
        "error",
        "a text of a workflow in a shell command runs as one",
    ),
    "installs": Rule(
        "error",
        "installing while the server runs changes the versions that other "
        "packs rely on, and fails where there is no internet",
    ),
    "import-work": Rule(
        "error",
        "work at import delays or breaks the start of the whole server",
    ),
    "patches-core": Rule(
        "warning",
        "changing ComfyUI's own modules breaks with its next release, and "
        "for other packs",
    ),
    "device": Rule(
        "warning",
        'ComfyUI decides where tensors are; a fixed "cuda" fails on other '
        "machines and evades its memory management",
    ),
    "absolute-path": Rule(
        "warning",
        "the path is another one on every machine; ask folder_paths",
    ),
    "pins-torch": Rule(
        "error",
        "another torch than the server's breaks the server",
    ),
    "undeclared": Rule(
        "warning",
        "a package that ComfyUI does not bring and no requirements name is "
        "missing on the next machine",
    ),
    "import-fails": Rule(
        "error",
        "the server leaves a pack out that fails at import",
    ),
}
"""By name, in the order of the documentation."""


@dataclass(frozen=True, slots=True)
class PackFinding:
    """One place where a pack breaks a rule."""

    rule: str
    message: str
    file: str
    line: int | None = None
    node: str | None = None

    @property
    def level(self) -> Level:
        """How bad that is."""
        return RULES[self.rule].level

    def __str__(self) -> str:
        line = "" if self.line is None else f":{self.line}"
        node = "" if self.node is None else f" {self.node}:"
        return f"{self.level}: {self.file}{line}:{node} {self.message} [{self.rule}]"

    def as_json(self) -> JsonValue:
        """The finding for a script."""
        return {
            "rule": self.rule,
            "level": self.level,
            "message": self.message,
            "file": self.file,
            "line": self.line,
            "node": self.node,
            "why": RULES[self.rule].why,
        }
