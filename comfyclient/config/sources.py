"""The configuration file: where it is, what it says, and on which lines."""

from __future__ import annotations

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import platformdirs

from ..errors import ConfigError
from .errors import Mistake
from .shapes import Listed, Named, Shape, Table, Value
from .toml_lines import Location, line_of_each_key

FILE_NAME = "comfyclient.toml"
VARIABLE = "COMFYCLIENT_CONFIG"

_PATHS = {
    "lock", "token_file", "ca_file", "cert_file", "key_file", "base_directory", "root",
    "cache", "snapshot", "templates",
}  # fmt: skip
_SQLITE = re.compile(r"(sqlite(?:\+\w+)?:///)((?![/:]|file:)[^?\n]+(?:\?[^\n]*)?)")


@dataclass(frozen=True, slots=True)
class Origin:
    """Where a value came from."""

    kind: Literal["default", "file", "variable", "argument"]
    name: str = ""
    """The file, the variable, or the argument's key."""
    line: int | None = None

    def __str__(self) -> str:
        match self.kind:
            case "default":
                return "default"
            case "file":
                return f"{self.name}:{self.line}"
        return f"{self.kind} {self.name}"

    @property
    def short(self) -> str:
        """The same, with the file's name alone."""
        whole = self.kind != "file"
        return str(self) if whole else f"{Path(self.name).name}:{self.line}"


_DEFAULT = Origin("default")


@dataclass(frozen=True, slots=True)
class Sources:
    """What was said of the configuration, before any of it was checked."""

    file: Path | None
    data: dict[str, Any] = field(default_factory=dict, repr=False)
    origins: dict[Location, Origin] = field(default_factory=dict, repr=False)
    mistakes: list[Mistake] = field(default_factory=list, repr=False)

    def origin(self, location: Location) -> Origin:
        """Where the value at a place came from."""
        return self.origins.get(location, _DEFAULT)

    def place(self, location: Location) -> str:
        """Where a mistake is to be looked for: at its key, or at the table of it."""
        for end in range(len(location), 0, -1):
            if location[:end] in self.origins:
                return str(self.origins[location[:end]])
        return "" if self.file is None else f"{self.file}:1"


def find_file(
    path: str | os.PathLike[str] | None, *, variables: Mapping[str, str] | None = None
) -> Path | None:
    """The configuration file that is used; None where there is none.

    Raises:
        ConfigError: one was named that does not exist.
    """
    given = os.environ if variables is None else variables
    for named, by in ((path, "the argument"), (given.get(VARIABLE), VARIABLE)):
        if named is not None and str(named):
            if not _is_file(Path(named)):
                raise ConfigError(
                    f"{by} names {str(named)!r}, which is no file",
                    hint=f"name a {FILE_NAME}; where none is named, it is looked for",
                )
            return Path(named)
    here = Path.cwd()
    for folder in (here, *here.parents):
        if (folder / FILE_NAME).is_file():
            return folder / FILE_NAME
    users = platformdirs.user_config_path("comfyclient") / FILE_NAME
    return users if users.is_file() else None


def _is_file(path: Path) -> bool:
    """Some names, such as one too long, raise where they are looked for."""
    try:
        return path.is_file()
    except (OSError, ValueError):
        return False


def read_file(file: Path | None) -> Sources:
    """What a file says, and on which lines.

    Raises:
        ConfigError: it cannot be read, or is not TOML.
    """
    if file is None:
        return Sources(None)
    try:
        text = file.read_bytes().decode("utf-8-sig")
        data = tomllib.loads(text)
    except OSError as error:
        raise ConfigError(f"cannot read {file}: {error.strerror}") from error
    except RecursionError:
        raise ConfigError(f"{file} is nested too deep to be a configuration") from None
    except UnicodeDecodeError as error:
        raise ConfigError(
            f"{file} is not TOML: byte {error.start} is not UTF-8",
            hint="save it in the encoding UTF-8",
        ) from None
    except ValueError as error:  # TOMLDecodeError, and a number beyond all bounds
        raise _no_toml(file, text, error) from None
    lines = line_of_each_key(text)
    origins = {at: Origin("file", str(file), line) for at, line in lines.items()}
    return Sources(file, data, origins)


def anchor_paths(sources: Sources, root: Table) -> None:
    """Take the file's relative paths from its own folder, not from where one stands."""
    if sources.file is None:
        return
    folder = sources.file.absolute().parent
    for table, key in _values(root, sources.data):
        value = table[key]
        if key == "ledger" and isinstance(value, str):
            if (found := _SQLITE.fullmatch(value)) is not None:
                table[key] = f"{found[1]}{folder / found[2]}"
        elif key in _PATHS:
            table[key] = _anchored(value, folder)


def _anchored(value: Any, folder: Path) -> Any:
    """A path, or several, from a folder; what is no path stays, to be told of."""
    if isinstance(value, list):
        return [_anchored(one, folder) for one in value]
    if not isinstance(value, str) or not value or "://" in value or "\0" in value:
        return value
    # pathlib's own raises where there is no such user
    return str(folder / os.path.expanduser(value))  # noqa: PTH111


def _values(shape: Shape, data: Any) -> Iterator[tuple[dict[str, Any], str]]:
    """Each text, or list, under a fixed key, with the table that it is in."""
    match shape:
        case Table() if isinstance(data, dict):
            for key in shape.keys:
                inner = shape.shape_of(key)
                if isinstance(inner, Value) and isinstance(data.get(key), str | list):
                    yield data, key
                else:
                    yield from _values(inner, data.get(key))
        case Named(item) if isinstance(data, dict):
            for inner in data.values():
                yield from _values(item, inner)
        case Listed(item) if isinstance(data, list):
            for inner in data:
                yield from _values(item, inner)


def _no_toml(file: Path, text: str, error: ValueError) -> ConfigError:
    """What tomllib says, behind the line that it tells at the end of its words."""
    words, told, place = _without_keys(error).partition(" (at ")
    named = re.match(r"line (\d+)", place)
    if not told:
        return ConfigError(f"{file} is not TOML: {words}")
    line = len(text.splitlines()) if named is None else int(named[1])
    return ConfigError(
        f"{file}:{line}: this is not TOML: {words}",
        hint='texts stand in quotes, and each key once: name = "l20-a"',
    )


def _without_keys(error: ValueError) -> str:
    """What tomllib says, without the keys that it quotes: one may be a secret."""
    return re.sub(r"\(?(['\"]).*\1,?\)?", "…", str(error), flags=re.DOTALL)
