"""`manifest.toml`: what a template takes, gives and needs. Pure."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any, Literal

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version
from pydantic import BaseModel, ConfigDict, Field, JsonValue, field_validator
from pydantic import ValidationError as PydanticError
from pydantic_core import ErrorDetails

from ..errors import ManifestError, ParameterError
from ..trip.published import PublishedTrip
from ..workflow import NamedOutput
from .parameters import Parameter
from .stages import StagePart, mistakes_in

FILE = "manifest.toml"
NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
"""A template's name."""
VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)((a|b|rc)\d+)?")
"""A template's version: three numbers, and perhaps a pre-release such as `rc1`."""
KEY = re.compile(r"[a-z][a-z0-9_]*")
"""A parameter's or an output's name."""


class _Part(BaseModel):
    """A table of the manifest."""

    model_config = ConfigDict(
        defer_build=True, extra="forbid", frozen=True, strict=True
    )


class TripPart(_Part):
    """What the template takes from the trip."""

    takes: list[str] = Field(default_factory=list)
    """Every attribute of the trip that the template reads."""
    required: list[str] = Field(default_factory=list)
    """Those without which it makes no sense."""

    @field_validator("takes", "required")
    @classmethod
    def _known(cls, names: list[str]) -> list[str]:
        for name in names:
            if name not in TRIP_FIELDS:
                raise ValueError(f"a trip has no {name!r}{meant(name, TRIP_FIELDS)}")
        return names


class OutputPart(_Part):
    """A named output."""

    node: str
    """The node that gives it."""
    key: str | None = None
    """The list of the node's result, such as `images`."""
    required: bool = True
    description: str = ""


class ModelFile(_Part):
    """A model file that the instance must have."""

    folder: str
    """ComfyUI's folder, such as `checkpoints`."""
    file: str
    source: str = ""
    """Where to get it."""


class NodePack(_Part):
    """A pack of custom nodes that the instance must have."""

    name: str
    source: str = ""
    version: str = ""


class Requirements(_Part):
    """What the template needs of an instance."""

    comfyui: str = ""
    """A range of ComfyUI versions, such as `>=0.3.12`."""
    node_classes: list[str] = Field(default_factory=list)
    models: list[ModelFile] = Field(default_factory=list)
    node_packs: list[NodePack] = Field(default_factory=list)

    @field_validator("comfyui")
    @classmethod
    def _range(cls, text: str) -> str:
        try:
            SpecifierSet(text)
        except InvalidSpecifier as error:
            raise ValueError(f"{text!r} is no version range like '>=0.3.12'") from error
        return text

    @property
    def model_free(self) -> bool:
        """Whether an instance runs it without any model file."""
        return not self.models

    def accepts(self, comfyui: Version) -> bool:
        """Whether a server of that version is in the range."""
        return SpecifierSet(self.comfyui).contains(comfyui, prereleases=True)


class Manifest(_Part):
    """A template's manifest."""

    name: str
    version: str
    summary: str = Field(min_length=1, max_length=120)
    description: str = ""
    languages: list[str] = Field(default_factory=list)
    """Languages of the texts it can set; empty where it sets none."""
    parameters: dict[str, Parameter] = Field(default_factory=dict)
    trip: TripPart | None = None
    outputs: dict[str, OutputPart] = Field(min_length=1)
    filename_prefix: Literal["job", "own"] = "job"
    """Whether files are saved into a folder of their job, or as the nodes say."""
    requirements: Requirements = Field(default_factory=Requirements)
    stage: list[StagePart] = Field(default_factory=list, max_length=20)
    """What is written, looked at and painted before the graph is filled."""

    @field_validator("stage")
    @classmethod
    def _stages(cls, stages: list[StagePart]) -> list[StagePart]:
        mistakes = list(mistakes_in(stages))
        if mistakes:
            raise ValueError("; ".join(mistakes[:4]))
        return stages

    @field_validator("name")
    @classmethod
    def _name(cls, name: str) -> str:
        if not NAME.fullmatch(name):
            raise ValueError(f"{name!r} is no name like 'trip-postcard'")
        return name

    @field_validator("version")
    @classmethod
    def _version(cls, version: str) -> str:
        if not VERSION.fullmatch(version):
            raise ValueError(f"{version!r} is no version like '1.0.0' or '1.1.0rc1'")
        return version

    @field_validator("parameters", "outputs")
    @classmethod
    def _keys(cls, table: dict[str, Any]) -> dict[str, Any]:
        for key in table:
            if not KEY.fullmatch(key):
                raise ValueError(f"{key!r} is no name like 'show_scale'")
        return table

    @property
    def ref(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"

    def named_outputs(self) -> tuple[NamedOutput, ...]:
        """The outputs, as a workflow carries them."""
        return tuple(
            NamedOutput(name, part.node, key=part.key, required=part.required)
            for name, part in self.outputs.items()
        )

    def values(self, given: Mapping[str, object]) -> dict[str, JsonValue]:
        """Every parameter's value: given, default, or None.

        Raises:
            ParameterError: one is unknown, missing or not allowed.
        """
        for name in given:
            self._parameter(name)
        return {
            name: self._value(name, given.get(name))
            for name, parameter in self.parameters.items()
        }

    def read(self, given: Mapping[str, str]) -> dict[str, JsonValue]:
        """Parameters that were given as text, such as on a command line.

        Raises:
            ParameterError: one is unknown or not allowed.
        """
        found: dict[str, JsonValue] = {}
        for name, text in given.items():
            try:
                found[name] = self._parameter(name).read(text)
            except ValueError as error:
                raise self._refusal(name, str(error)) from None
        return found

    def _parameter(self, name: str) -> Parameter:
        if name not in self.parameters:
            known = ", ".join(self.parameters) or "none"
            raise ParameterError(
                f"there is no parameter {name!r}{meant(name, self.parameters)}",
                template=self.ref,
                hint=f"its parameters: {known}",
            )
        return self.parameters[name]

    def _value(self, name: str, given: object) -> JsonValue:
        parameter = self.parameters[name]
        if given is None and parameter.required:
            raise self._refusal(name, f"must be given: {parameter.allowed}")
        value = parameter.default if given is None else given
        try:
            return None if value is None else parameter.check(value)
        except ValueError as error:
            raise self._refusal(name, str(error)) from None

    def _refusal(self, name: str, why: str) -> ParameterError:
        return ParameterError(f"parameter {name!r}: {why}", template=self.ref)


TRIP_FIELDS = frozenset({*PublishedTrip.model_fields, "profile", "simplified"})
"""What a template may read of a published trip."""


def parse_manifest(content: bytes, path: Path) -> Manifest:
    """Check the bytes of a manifest; the path stands for it in errors.

    Raises:
        ManifestError: names the file, and line and key where known.
    """
    try:
        text = content.decode("utf-8-sig")
        table = tomllib.loads(text)
    except UnicodeDecodeError as error:
        raise ManifestError("is not UTF-8", file=str(path)) from error
    except tomllib.TOMLDecodeError as error:
        raise ManifestError(f"is no TOML: {error}", file=str(path)) from error
    try:
        return Manifest.model_validate(table)
    except PydanticError as error:
        raise _refused(error.errors(), path, text) from error


def _refused(errors: list[ErrorDetails], path: Path, text: str) -> ManifestError:
    said = [_said(error) for error in errors[:8]]
    lines = (_line(text, [str(part) for part in error["loc"]]) for error in errors)
    line = next((line for line in lines if line is not None), None)
    return ManifestError("; ".join(said), file=str(path), line=line)


def _said(error: ErrorDetails) -> str:
    keys = [str(part) for part in error["loc"]]
    key = ".".join(k for k in keys if k not in _TAGS)
    match error["type"]:
        case "extra_forbidden":
            return f"{key} is unknown{meant(keys[-1], _fields_at(keys))}"
        case "missing":
            return f"{key} is missing"
        case "union_tag_not_found":
            return f"{key} needs a type: {', '.join(_TAGS)}"
        case "union_tag_invalid":
            return f"{key}.type: there are {', '.join(_TAGS)}"
        case "value_error":
            return f"{key}: {error['ctx']['error']}"
    return f"{key}: {error['msg']}, got {error['input']!r:.60}"


_TAGS = ("string", "integer", "number", "boolean", "choice", "colour", "seed")
"""The types of parameters; pydantic puts them into an error's place."""

_PARTS: Mapping[str, Iterable[str]] = {
    "": Manifest.model_fields,
    "trip": TripPart.model_fields,
    "outputs": OutputPart.model_fields,
    "requirements": Requirements.model_fields,
    "models": ModelFile.model_fields,
    "node_packs": NodePack.model_fields,
    "stage": StagePart.model_fields,
    "parameters": (
        *("type", "default", "description", "required"),
        *("min", "max", "choices", "max_length"),
    ),
}


def _fields_at(keys: list[str]) -> Iterable[str]:
    parents = [key for key in keys[:-1] if key in _PARTS]
    return _PARTS[parents[-1] if parents else ""]


def meant(name: str, known: Iterable[str]) -> str:
    """The end of a message about an unknown name: what may have been meant."""
    close = get_close_matches(name, list(known), n=1)
    return f"; did you mean {close[0]!r}?" if close else ""


def _line(text: str, keys: list[str]) -> int | None:
    """The line that a key path seems to be in: its last part that can be found."""
    line, found = 0, None
    lines = text.splitlines()
    for key in keys:
        word = re.compile(rf'^\s*(\[[^\]]*)?\b"?{re.escape(key)}\b')
        hit = next((i for i in range(line, len(lines)) if word.search(lines[i])), None)
        if hit is not None:
            line, found = hit, hit + 1
    return found
