"""Which version of a template an environment may run: by its lock, else by its pins.

Reads templates through the registry, and nothing else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from packaging.specifiers import SpecifierSet
from packaging.version import Version

from ..errors import PinError, TemplateError, TemplateNotFoundError
from ..templating.manifest import meant
from ..templating.registry import Registry, parse_ref
from ..templating.template import Template
from .locked import Lock, LockedTemplate, LockedVersion, Section

Pins = Mapping[str, str]
"""Ranges of versions such as `~=1.0`, by the template's name."""


def resolve(
    ref: str,
    *,
    environment: str,
    pins: Pins,
    lock: Lock | None,
    registry: Registry,
    protected: bool = False,
    confirm: str | None = None,
) -> Template:
    """The template that an environment runs for `name`, `name@1.0.0` or `name@~=1.0`.

    Where the lock has a section for the environment, it runs what that says, or
    nothing. Else it runs the newest version in the pin's range, or the newest at all;
    a protected environment does so only where `confirm` is its name.

    Raises:
        PinError: lock, pin or protection stand against it; names both sides.
        TemplateNotFoundError: there is no such template or version.
        TemplateError: it cannot be read.
    """
    section = None if lock is None else lock.section(environment)
    if section is not None:
        return _locked(ref, environment, pins, section, registry)
    template = newest(ref, environment=environment, pins=pins, registry=registry)
    if protected and confirm != environment:
        raise PinError(
            f"environment {environment} is protected and runs what is locked, and "
            f"nothing is locked in it; {template.ref} is the newest that it could run",
            hint=f"comfyclient pins lock {template.name} --env {environment}; or, for "
            f"this once, pass confirm={environment!r}, or --confirm {environment} on "
            "the command line",
        )
    return template


def newest(ref: str, *, environment: str, pins: Pins, registry: Registry) -> Template:
    """The newest template that fits both what is asked for and the pin.

    Pre-releases are found by their exact version, or where there is nothing else.

    Raises:
        PinError: what is asked for is there, but not in the pin's range.
        TemplateNotFoundError: there is no such template or version.
    """
    name, wanted = parse_ref(ref)
    pin = pins.get(name)
    if pin is None:
        return registry.find(ref)
    found = registry.versions(name)
    fitting = set((wanted & SpecifierSet(pin)).filter(found))
    if fitting:
        return registry.load(found[max(fitting)])
    asked = registry.find(ref)  # tells what there is, where nothing fits even that
    raise PinError(
        f"environment {environment} is pinned to {name} {pin}, and {asked.version} is "
        f"not in that range; there are {', '.join(map(str, found))}",
        hint=f"ask for another version, or change environments.{environment}.pins",
    )


def allows(pin: str | None, version: str) -> bool:
    """Whether a version, also a pre-release, is in a pin's range; None allows all."""
    return pin is None or SpecifierSet(pin).contains(Version(version), prereleases=True)


def require_pin(name: str, version: str, *, environment: str, pins: Pins) -> None:
    """Let a version pass that is in the environment's range, also a pre-release.

    Raises:
        PinError: it is not; names both.
    """
    pin = pins.get(name)
    if allows(pin, version):
        return
    raise PinError(
        f"environment {environment} is pinned to {name} {pin}, which excludes "
        f"{version}",
        hint=f"change environments.{environment}.pins, or lock a version in its range: "
        f"comfyclient pins lock {name} --env {environment}",
    )


def require_same(template: Template, entry: LockedVersion, *, by: str) -> None:
    """Let a template pass whose files are the very bytes that were locked.

    Raises:
        PinError: they are not; names both digests.
    """
    if template.digest == entry.digest:
        return
    raise PinError(
        f"the files of {template.ref} are not those that {by}: their digest is "
        f"{template.digest}, the lock's {entry.digest}",
        file=str(template.folder),
        hint="a version never changes: restore it from version control, line endings "
        f"too, and change the next one: comfyclient templates bump {template.name}",
    )


def _locked(
    ref: str, environment: str, pins: Pins, section: Section, registry: Registry
) -> Template:
    name, wanted = parse_ref(ref)
    entry = section.get(name)
    if entry is None:
        raise _not_locked(name, environment, section, registry)
    require_pin(name, entry.version, environment=environment, pins=pins)
    if not wanted.contains(Version(entry.version), prereleases=True):
        raise PinError(
            f"{ref.strip()} was asked for, but environment {environment} is locked to "
            f"{name}@{entry.version}",
            hint=f"ask for {name}, or lock another version: "
            f"comfyclient pins lock {ref.strip()} --env {environment}",
        )
    return locked_template(name, entry, environment=environment, registry=registry)


def locked_template(
    name: str, entry: LockedVersion, *, environment: str, registry: Registry
) -> Template:
    """The very template that was locked.

    Raises:
        TemplateNotFoundError: its version is not there.
        PinError: its files were changed.
    """
    found = registry.versions(name).get(Version(entry.version))
    if found is None:
        there = ", ".join(map(str, registry.versions(name)))
        raise TemplateNotFoundError(
            f"environment {environment} is locked to {name}@{entry.version}, which is "
            f"not there; there are {there}",
            hint="restore its folder from version control, or lock another version",
        )
    template = registry.load(found)
    require_same(template, entry, by=f"environment {environment} is locked to")
    return template


def _not_locked(
    name: str, environment: str, section: Section, registry: Registry
) -> TemplateError:
    try:
        registry.versions(name)
    except TemplateNotFoundError as error:
        return error
    names = ", ".join(sorted(section)) or "nothing"
    return PinError(
        f"{name} is not locked in environment {environment}, which runs {names}"
        f"{meant(name, section)}",
        hint=f"comfyclient pins lock {name} --env {environment}, or promote it from "
        "another environment",
    )


@dataclass(frozen=True, slots=True)
class Standing:
    """How a template stands in an environment."""

    environment: str
    name: str
    pin: str | None
    locked: LockedTemplate | None
    newest: Version | None
    """The newest version that the pin allows."""
    digest: str | None
    """Of the locked version's files, as they are now."""
    problem: TemplateError | None
    """Why the environment does not run it."""

    @property
    def outdated(self) -> bool:
        """Whether the pin allows a newer version than the one that is locked."""
        if self.locked is None or self.newest is None:
            return False
        return self.newest > Version(self.locked.version)


def standing(
    name: str, *, environment: str, pins: Pins, lock: Lock | None, registry: Registry
) -> Standing:
    """How a template stands; whatever is wrong with it is told, not raised."""
    problem: TemplateError | None = None
    latest: Version | None = None
    entry = None if lock is None else lock.entry(environment, name)
    try:
        latest = newest(
            name, environment=environment, pins=pins, registry=registry
        ).version
    except TemplateError as error:
        problem = error if entry is None else None
    try:
        if lock is not None and lock.section(environment) is not None:
            resolve(
                name, environment=environment, pins=pins, lock=lock, registry=registry
            )
    except TemplateError as error:
        problem = error
    return Standing(
        environment=environment,
        name=name,
        pin=pins.get(name),
        locked=entry,
        newest=latest,
        digest=_digest_now(name, entry, registry),
        problem=problem,
    )


def _digest_now(
    name: str, entry: LockedVersion | None, registry: Registry
) -> str | None:
    if entry is None:
        return None
    try:
        found = registry.versions(name).get(Version(entry.version))
        return None if found is None else registry.load(found).digest
    except TemplateError:
        return None
