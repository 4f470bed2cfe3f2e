"""The kinds of values that settings have, each with words for what is wrong. Pure."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Annotated, Any

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import InvalidVersion, Version
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
)
from pydantic_core import PydanticCustomError

from .urls import slip_in

_REGION = re.compile(r"[a-z]{2}-[a-z]+(-[a-z0-9]+)*")
_LEDGER = re.compile(r"[a-z]\w*(\+\w+)?://.*", re.DOTALL)
_ENDPOINT = re.compile(r"https?://[\w.-]+(:\d+)?/?|[\w-]+(\.[\w-]+)+(:\d+)?")
_SCHEME = re.compile(r"[A-Za-z][A-Za-z-]{0,31}")
_FUNCTION = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")
_BUCKET = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_GROUP = re.compile(r"[A-Za-z0-9_.:-]{1,64}")
_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]+:/")
_HOST = re.compile(r"(\*\.)?[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*")
_VARIABLE = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")


def wrong(words: str) -> PydanticCustomError:
    """The error of a validator."""
    return PydanticCustomError("configuration", "{words}", {"words": words})


def _range(text: str) -> str:
    try:
        parts = SpecifierSet(text)
    except InvalidSpecifier:
        parts = SpecifierSet()
    if not len(parts):
        raise wrong("this is no version range; write for example '>=0.3.45' or '~=1.0'")
    if not _holds_any(parts):
        raise wrong("no version is in this range: its parts exclude each other")
    return text


def _holds_any(parts: SpecifierSet) -> bool:
    """Whether a version is in the range: at one of its ends, or right beside it."""
    near = ["0", "99999"]
    for part in parts:
        if part.operator == "===":
            return True  # it compares texts
        end = Version(part.version.removesuffix(".*"))
        if end.is_prerelease or end.is_postrelease:
            return True  # what is beside these is not worth its rules
        near += [str(end), f"{end.base_version}.0.1"]
        for at, number in enumerate(end.release):
            near.append(".".join(map(str, (*end.release[:at], number + 1))))
    return any(map(parts.contains, near))


def _version(text: str) -> str:
    try:
        Version(text)
    except InvalidVersion:
        raise wrong("this is no version; write for example '0.33.0'") from None
    return text


def _region(text: str) -> str:
    if not _REGION.fullmatch(text):
        raise wrong("this is no region; write for example 'cn-shanghai'")
    return text


def _http_url(text: str) -> str:
    slip = slip_in(text)
    if slip is not None:
        raise wrong(f"this url has {slip}")
    return text


def _ledger_url(text: str) -> str:
    if not _LEDGER.fullmatch(text):
        raise wrong("this is no SQLAlchemy URL; write for example 'sqlite:///jobs.db'")
    return text


def _endpoint(text: str) -> str:
    if not _ENDPOINT.fullmatch(text):
        raise wrong("this is no endpoint; write for example https://oss-….aliyuncs.com")
    return text


def _scheme(text: str) -> str:
    if not _SCHEME.fullmatch(text):
        raise wrong("this is no word such as 'Bearer'")
    return text


def _variable_name(text: str) -> str:
    if not _VARIABLE.fullmatch(text):
        raise wrong(
            "this takes the name of an environment variable, not the token itself"
        )
    return text


def _plain(text: str) -> str:
    if not text.isprintable() or text != text.strip():
        raise wrong("no blanks at the ends, line breaks or control characters, please")
    return text


def _instance_name(text: str) -> str:
    if set(text) & set("/=@?&"):
        raise wrong("a name has none of / = @ ? & in it")
    return text


def _file(path: Path) -> Path:
    _file_name(str(path))
    if _URL.match(str(path)):  # a path has one slash of them left
        raise wrong("this takes a folder or file of this machine, not a URL")
    return path


def _several(given: object) -> object:
    """A variable names several folders as `PATH` does."""
    return given.split(os.pathsep) if isinstance(given, str) else given


def _file_name(text: str) -> str:
    if "\0" in text or "://" in text:
        raise wrong("this is no path of a file")
    return text


def _bucket(text: str) -> str:
    if not _BUCKET.fullmatch(text):
        raise wrong("this takes a bucket's name alone; write for example 'nev-aigc'")
    return text


def _group(text: str) -> str:
    if not _GROUP.fullmatch(text):
        raise wrong("this takes up to 64 letters, digits and any of _ . : -")
    return text


def _prefix(text: str) -> str:
    if "://" in text:
        raise wrong("this takes what stands behind the bucket's name, as 'comfyui/'")
    if not text.isprintable() or {".", ".."} & set(text.split("/")):
        raise wrong("a prefix has no '.', '..' or control characters in it")
    return text


def _listed(value: object) -> object:
    """One text of a variable or argument is several, with commas between."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


def _host(text: str) -> str:
    if not _HOST.fullmatch(text):
        raise wrong("this is no host; write for example 'photos.example.com'")
    return text.lower()


def _credentials(text: str) -> str:
    words = ("auto", "env", "ecs-role", "sts")
    if text not in words and not _FUNCTION.fullmatch(text):
        raise wrong(f"this takes {', '.join(map(repr, words))} or 'module:function'")
    return text


Seconds = Annotated[float, Field(gt=0, le=7 * 86_400, allow_inf_nan=False)]
VersionRange = Annotated[str, AfterValidator(_range)]
FilePath = Annotated[Path, AfterValidator(_file)]
FileName = Annotated[str, AfterValidator(_file_name)]
Folders = Annotated[tuple[FilePath, ...], BeforeValidator(_several)]
Text = Annotated[str, Field(min_length=1, max_length=2000), AfterValidator(_plain)]
Texts = Annotated[tuple[Text, ...], BeforeValidator(_listed)]
Times = Annotated[int, Field(ge=0, le=1000)]
VersionNumber = Annotated[str, AfterValidator(_version)]
Region = Annotated[str, AfterValidator(_region)]
HttpUrl = Annotated[str, AfterValidator(_http_url)]
LedgerUrl = Annotated[Text, AfterValidator(_ledger_url)]
Endpoint = Annotated[Text, AfterValidator(_endpoint)]
Scheme = Annotated[str, AfterValidator(_scheme)]
VariableName = Annotated[str, AfterValidator(_variable_name)]
InstanceName = Annotated[Text, Field(max_length=64), AfterValidator(_instance_name)]
Bucket = Annotated[str, AfterValidator(_bucket)]
Group = Annotated[str, AfterValidator(_group)]
Prefix = Annotated[Text, AfterValidator(_prefix)]
Credentials = Annotated[str, AfterValidator(_credentials)]
Host = Annotated[str, AfterValidator(_host)]


class SettingsModel(BaseModel):
    """What all settings have in common: fixed, nothing unknown, no value in errors."""

    model_config = ConfigDict(
        defer_build=True, extra="forbid", frozen=True, hide_input_in_errors=True
    )


def defaulted() -> Any:
    """The default of a table that may be missing: those of its own keys.

    The validator of the whole makes it; an instance would build one for itself.
    """
    return Field(default_factory=dict, validate_default=True)
