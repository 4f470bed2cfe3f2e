"""Finds templates by name and version in folders `<root>/<name>/<version>`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from packaging.specifiers import InvalidSpecifier, SpecifierSet
from packaging.version import Version

from ..errors import ConfigError, TemplateNotFoundError
from .manifest import FILE, NAME, VERSION, meant
from .template import SAMPLE, SOURCE, Template

_REF = re.compile(rf"(?P<name>{NAME.pattern})(@(?P<range>[^@]+))?")

_Stamp = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class TemplateEntry:
    """A template folder, not yet read."""

    name: str
    version: Version
    folder: Path

    @property
    def ref(self) -> str:
        """`name@version`."""
        return f"{self.name}@{self.version}"


class Registry:
    """The templates under some roots; of equal versions the first root's counts."""

    def __init__(self, roots: Sequence[Path] | None = None) -> None:
        """`None` stands for the templates that come with this package."""
        self._roots = None if roots is None else tuple(Path(root) for root in roots)
        self._loaded: dict[Path, tuple[_Stamp, Template]] = {}

    @property
    def roots(self) -> tuple[Path, ...]:
        """The folders that are searched."""
        return (shipped_templates(),) if self._roots is None else self._roots

    def find(self, ref: str) -> Template:
        """The newest template that fits `name`, `name@1.0.0` or `name@~=1.0`.

        Pre-releases are found by their exact version, or where there is nothing else.
        A bare name gives the newest version that needs no model files, where there is
        one: who has the models asks for the version, or pins its range.

        Raises:
            TemplateNotFoundError: none fits; the message lists what there is.
            ManifestError: its manifest is wrong.
        """
        name, wanted = parse_ref(ref)
        named = self.versions(name)
        fitting = set(wanted.filter(named))
        if not fitting:
            raise TemplateNotFoundError(
                f"no version of {name!r} fits {ref.strip().partition('@')[2]!r}; "
                f"there are {', '.join(map(str, named))}"
            )
        newest = sorted(fitting, reverse=True)
        if not wanted:
            for version in newest:
                template = self.load(named[version])
                if template.manifest.requirements.model_free:
                    return template
        return self.load(named[newest[0]])

    def versions(self, name: str) -> dict[Version, TemplateEntry]:
        """The versions of a template, oldest first.

        Raises:
            TemplateNotFoundError: there is none of that name; lists what there is.
        """
        entries = self.entries()
        named = {entry.version: entry for entry in entries if entry.name == name}
        if not named:
            raise _no_such_name(name, entries, self.roots)
        return named

    def templates(self) -> list[Template]:
        """All templates, by name and version.

        Raises:
            ManifestError: one of them has a wrong manifest.
        """
        return [self.load(entry) for entry in self.entries()]

    def entries(self) -> list[TemplateEntry]:
        """What there is, by name and version, without reading any of it.

        Raises:
            ConfigError: a root is no folder.
        """
        found: dict[tuple[str, Version], TemplateEntry] = {}
        for root in self.roots:
            for entry in _entries(root):
                found.setdefault((entry.name, entry.version), entry)
        return [found[key] for key in sorted(found)]

    def load(self, entry: TemplateEntry) -> Template:
        """Read a template; the compiled one is kept until its files change.

        Raises:
            ManifestError: its manifest is wrong.
        """
        stamp = _stamp(entry.folder)
        kept = self._loaded.get(entry.folder)
        if kept is None or kept[0] != stamp:
            kept = self._loaded[entry.folder] = stamp, Template(entry.folder)
        return kept[1]


def parse_ref(ref: str) -> tuple[str, SpecifierSet]:
    """Name and range of `name`, `name@1.0.0` or `name@~=1.0`; a bare name takes any.

    Raises:
        TemplateNotFoundError: it is none of these.
    """
    match = _REF.fullmatch(ref.strip())
    if match is None:
        raise TemplateNotFoundError(
            f"{ref!r} is no template: write name, name@1.0.0 or name@~=1.0"
        )
    text = match["range"]
    if text is None:
        return match["name"], SpecifierSet()
    try:
        wanted = SpecifierSet(f"=={text}" if VERSION.fullmatch(text) else text)
    except InvalidSpecifier as error:
        raise TemplateNotFoundError(
            f"{ref!r}: {text!r} is neither a version like 1.0.0 nor a range like ~=1.0"
        ) from error
    return match["name"], wanted


def registry_of(folders: Iterable[Path]) -> Registry:
    """The templates of these folders, and those that come with this package."""
    return Registry([*folders, shipped_templates()])


def shipped_templates() -> Path:
    """The templates of this package: inside the wheel, or beside a checkout's."""
    package = Path(__file__).parents[1]
    inside = package / "templates"
    return inside if inside.is_dir() else package.parent / "templates"


def _entries(root: Path) -> Iterator[TemplateEntry]:
    try:
        folders = [path for path in root.iterdir() if NAME.fullmatch(path.name)]
    except OSError as error:
        raise ConfigError(
            f"the template folder {root} cannot be read: {error.strerror}",
            hint="make it, or correct `templates` in the configuration",
        ) from error
    for folder in folders:
        if folder.is_dir():
            for path in folder.iterdir():
                if VERSION.fullmatch(path.name) and path.is_dir():
                    yield TemplateEntry(folder.name, Version(path.name), path)


def _stamp(folder: Path) -> _Stamp:
    stamps = []
    for name in (FILE, SOURCE, SAMPLE):
        try:
            stat = (folder / name).stat()
        except OSError:
            stamps.append((0, 0))  # whoever reads it says that it is not there
        else:
            stamps.append((stat.st_mtime_ns, stat.st_size))
    return tuple(stamps)


def _no_such_name(
    name: str, entries: Sequence[TemplateEntry], roots: Sequence[Path]
) -> TemplateNotFoundError:
    names = sorted({entry.name for entry in entries})
    there = ", ".join(entry.ref for entry in entries) or "nothing"
    return TemplateNotFoundError(
        f"there is no template {name!r}{meant(name, names)}",
        hint=f"in {', '.join(map(str, roots))} there is {there}",
    )
