"""Lays environment variables and arguments over what the file says. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from .errors import Mistake, did_you_mean, dotted, unknown_key
from .shapes import Listed, Named, Shape, Table, Value, shape_at
from .sources import VARIABLE, Origin, Sources
from .toml_lines import Location, key_parts

PREFIX = "COMFYCLIENT_"
DEFAULT_ENVIRONMENT = f"{PREFIX}ENVIRONMENT"
_KNOWN = (DEFAULT_ENVIRONMENT, VARIABLE, f"{PREFIX}FONT")


def add_variables(sources: Sources, root: Table, variables: Mapping[str, str]) -> None:
    """Set what variables say; an empty one says nothing."""
    for name in sorted(variables):
        value = variables[name]
        if not name.startswith(PREFIX) or not value:
            continue
        origin = Origin("variable", name)
        words = name.removeprefix(PREFIX).split("__")
        if name == DEFAULT_ENVIRONMENT:
            _set(sources, root, ["default_environment"], value, origin)
        elif len(words) > 1 or _is_key(words[0], root):
            _set(sources, root, words, value, origin)
        elif name not in _KNOWN and (hint := _misspelt(words[0])) is not None:
            words_ = f"there is no variable {name}"
            sources.mistakes.append(Mistake(words_, hint=hint, place="environment"))


def _is_key(word: str, root: Table) -> bool:
    """Whether a variable's only word is a key of the whole, such as `LOCK`."""
    key = word.lower()
    return key in root.keys and isinstance(root.shape_of(key), Value)


def _misspelt(word: str) -> str | None:
    """What was meant by a variable that is none of ours, if it is close to one."""
    hint = did_you_mean(word, [known.removeprefix(PREFIX) for known in _KNOWN])
    return None if hint is None else hint.replace("'", f"'{PREFIX}", 1)


def add_arguments(
    sources: Sources,
    root: Table,
    *,
    environment: str | None,
    overrides: Mapping[str, object],
) -> None:
    """Set what the caller says: dotted keys, of the environment or of the whole."""
    if environment is not None:
        origin = Origin("argument", "environment")
        _set(sources, root, ["default_environment"], environment, origin)
    name = str(sources.data.get("default_environment", "local"))
    for key, value in _flat(overrides):
        parts = key_parts(key)
        if parts is None:
            words = f"{key!r:.60} is no key; write for example deadlines.total_s"
            sources.mistakes.append(Mistake(words, place="argument"))
            continue
        above = () if parts[0] in root.keys else ("environments", name)
        _set(sources, root, (*above, *parts), value, Origin("argument", key))


def _flat(
    overrides: Mapping[str, object], above: str = ""
) -> Iterator[tuple[str, object]]:
    for key, value in overrides.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{above}{key}.")
        else:
            yield f"{above}{key}", value


def variable_of(location: Location, data: Mapping[str, Any]) -> str:
    """The variable that sets the value at a place of the file."""
    words: list[str] = []
    at: Any = data
    for part in location:
        at = at[part]
        words.append(_folded(str(at["name"] if isinstance(part, int) else part)))
    return PREFIX + "__".join(words).upper()


def _folded(name: str) -> str:
    """A name as a variable can write it: without case, letters and digits alone."""
    return re.sub(r"[^a-z0-9]", "_", name.lower())


def _set(
    sources: Sources, root: Table, words: Iterable[str], value: object, origin: Origin
) -> None:
    *above, last = words
    way = _Way(sources, root, origin)
    try:
        for word in above:
            way.enter(word)
        way.set(last, value)
    except _NoSuchKeyError as error:
        sources.mistakes.append(error.mistake)
    except _BlockedError:
        pass


class _NoSuchKeyError(Exception):
    def __init__(self, words: str, hint: str | None, origin: Origin) -> None:
        super().__init__(words)
        self.mistake = Mistake(words, hint=hint, place=str(origin))


class _BlockedError(Exception):
    """The file has something else where a table must be; it will be told of that."""


class _Way:
    """Goes down the tables of the file, word by word, and makes those that are missing.

    A variable's words mean the existing name that they can be told from; an argument's
    are the names themselves.
    """

    def __init__(self, sources: Sources, root: Table, origin: Origin) -> None:
        self._sources = sources
        self._root = root
        self._origin = origin
        self._loosely = origin.kind == "variable"
        self._location: Location = ()
        self._shape: Shape = root
        self._at: Any = sources.data

    def enter(self, word: str) -> None:
        key, shape = self._next(word)
        if isinstance(shape, Value):
            words = f"{dotted((*self._location, key))} is a value, and has no keys"
            raise _NoSuchKeyError(words, None, self._origin)
        if not isinstance(key, int) and key not in self._at:
            self._at[key] = [] if isinstance(shape, Listed) else {}
        self._at = self._at[key]
        self._shape = shape
        self._location = (*self._location, key)
        self._sources.origins.setdefault(self._location, self._origin)
        if not isinstance(self._at, list if isinstance(shape, Listed) else dict):
            raise _BlockedError

    def set(self, word: str, value: object) -> None:
        key, shape = self._next(word)
        location = (*self._location, key)
        if not isinstance(shape, Value):
            words = f"{dotted(location)} is a table: set its keys, one by one"
            raise _NoSuchKeyError(words, None, self._origin)
        self._at[key] = value
        self._sources.origins[location] = self._origin

    def _next(self, word: str) -> tuple[str | int, Shape]:
        if isinstance(self._shape, Listed):
            key: str | int = self._entry(word)
        else:
            known = self._shape.keys if isinstance(self._shape, Table) else self._at
            key = self._meant(word, known)
        shape = shape_at(self._root, (*self._location, key))
        if shape is None:
            mistake = unknown_key((*self._location, key), self._root)
            raise _NoSuchKeyError(mistake.words, mistake.hint, self._origin)
        return key, shape

    def _meant(self, word: str, known: Iterable[str]) -> str:
        """The name that a word means; the word itself where it is a new name."""
        if not self._loosely:
            return word
        same = [name for name in known if _folded(name) == _folded(word)]
        if len(same) > 1:
            words = f"{word} may be {same[0]!r} or {same[1]!r}"
            raise _NoSuchKeyError(words, "rename one of them", self._origin)
        if same:
            return same[0]
        new = word.lower()
        return new.replace("_", "-") if isinstance(self._shape, Named | Listed) else new

    def _entry(self, word: str) -> int:
        """The place of a named table in its array; at its end where it is new."""
        names = [one.get("name") if isinstance(one, dict) else None for one in self._at]
        name = self._meant(word, [one for one in names if isinstance(one, str)])
        if name not in names:
            self._at.append({"name": name})
            self._sources.origins[(*self._location, len(names), "name")] = self._origin
            return len(names)
        return names.index(name)
