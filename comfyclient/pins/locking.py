"""Sets what environments are locked to: by hand, or from another environment."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TypeAlias

from ..errors import InputFileError, LockError, PinError
from ..templating.comparing import compare
from ..templating.graphdiff import TemplateDiff
from ..templating.registry import Registry
from ..templating.template import Template
from .locked import Lock, LockedTemplate, LockedVersion
from .lockfile import update_lock
from .pins import Pins, allows, locked_template, newest, require_pin, require_same

Preflight: TypeAlias = Callable[[Template], Sequence[str]]
"""Why an environment's servers would not run a template; empty where they would."""


@dataclass(frozen=True, slots=True)
class Signature:
    """Who changes a lock, when and why."""

    who: str
    when: datetime
    why: str = ""

    def version(self, template: Template, object_info: str | None) -> LockedVersion:
        """A template as it is locked by this hand."""
        return LockedVersion(
            version=template.manifest.version,
            digest=template.digest,
            object_info=object_info,
            who=self.who,
            when=self.when,
            why=self.why,
        )


@dataclass(frozen=True, slots=True)
class Relocked:
    """A template of an environment, before and after."""

    name: str
    before: LockedTemplate | None
    after: LockedTemplate

    @property
    def changed(self) -> bool:
        """Whether it is locked to something else now."""
        return self.before != self.after


def lock_templates(
    path: Path,
    refs: Sequence[str],
    *,
    environment: str,
    pins: Pins,
    registry: Registry,
    by: Signature,
    object_info: str | None = None,
) -> list[Relocked]:
    """Lock each template that is named to the newest version that its pin allows.

    With none named: all that are pinned or locked, else all there are; what is locked
    already then stays at its version, where the pin allows it.

    Raises:
        PinError: a pin excludes what is asked for, or a locked version's files were
            changed; nothing was written.
        TemplateNotFoundError: there is no such template or version.
        LockError: the lock cannot be read or written.
    """
    done: list[Relocked] = []

    def change(lock: Lock) -> Lock:
        done.clear()
        for ref in refs or _every_name(lock, environment, pins, registry):
            template = _wanted(ref, lock, environment, pins, registry, stay=not refs)
            before = lock.entry(environment, template.name)
            new = by.version(template, object_info)
            if not new.same_content(before):
                lock = lock.with_entry(environment, template.name, new)
            after = lock.environments[environment][template.name]
            done.append(Relocked(template.name, before, after))
        return lock

    update_lock(path, change)
    return done


@dataclass(frozen=True, slots=True)
class Promotion:
    """A version of one environment that is to be run by another: look, then do it."""

    template: Template
    source: str
    target: str
    found: LockedVersion
    """What the source is locked to."""
    before: LockedTemplate | None
    """What the target is locked to."""
    difference: TemplateDiff | None
    """From the target's to the source's; None where there is nothing to compare."""
    remark: str | None
    """Why there is nothing to compare."""
    problems: tuple[str, ...]
    """What the target's servers have against it."""

    @property
    def needed(self) -> bool:
        """Whether the target runs something else as yet."""
        return not self.found.same_content(self.before)

    def promote(
        self, path: Path, *, by: Signature, object_info: str | None = None
    ) -> LockedTemplate:
        """Write the target's lock; other templates and environments stay as they are.

        Raises:
            PinError: preflight found problems.
            LockError: somebody has changed what was looked at, or the lock cannot be
                written; nothing was changed.
        """
        if self.problems:
            raise PinError(
                f"environment {self.target} would not run {self.template.ref}: "
                + "; ".join(self.problems)
            )
        name = self.template.name
        new = by.version(self.template, object_info)

        def change(lock: Lock) -> Lock:
            self._refuse_other(lock.entry(self.source, name), self.found, self.source)
            self._refuse_other(lock.entry(self.target, name), self.before, self.target)
            return lock.with_entry(self.target, name, new)

        return update_lock(path, change).environments[self.target][name]

    def _refuse_other(
        self, now: LockedVersion | None, seen: LockedVersion | None, environment: str
    ) -> None:
        if now != seen:
            raise LockError(
                f"{self.template.name} in environment {environment} was changed while "
                f"you looked: it was {_named(seen)}, and is {_named(now)}",
                hint="promote again, to see what differs now",
            )


def prepare(
    name: str,
    *,
    source: str,
    target: str,
    lock: Lock | None,
    pins: Mapping[str, Pins],
    registry: Registry,
    preflight: Preflight | None = None,
) -> Promotion:
    """Look at what promoting a template from one environment to another would do.

    Raises:
        PinError: it is not locked in the source, the files are not those that were
            locked, or a pin excludes the version.
        TemplateNotFoundError: the version is not there.
    """
    found = None if lock is None else lock.entry(source, name)
    if lock is None or found is None:
        raise PinError(
            f"{name} is not locked in environment {source}",
            hint=f"comfyclient pins lock {name} --env {source}, and try it there first",
        )
    for environment in (source, target):
        require_pin(
            name,
            found.version,
            environment=environment,
            pins=pins.get(environment, {}),
        )
    template = locked_template(name, found, environment=source, registry=registry)
    before = lock.entry(target, name)
    ran = found.same_content(before)
    difference, remark = _difference(before, template, target, registry)
    return Promotion(
        template=template,
        source=source,
        target=target,
        found=found,
        before=before,
        difference=difference,
        remark=remark,
        problems=() if ran or preflight is None else tuple(preflight(template)),
    )


def _difference(
    before: LockedTemplate | None, after: Template, target: str, registry: Registry
) -> tuple[TemplateDiff | None, str | None]:
    if before is None:
        return None, f"environment {target} runs no version of it yet"
    try:
        former = locked_template(
            after.name, before, environment=target, registry=registry
        )
        return compare(former, after), None
    except InputFileError as error:
        # It may have gone, or be broken: that must not keep it where it is.
        return None, f"there is nothing to compare: {error}"


def _wanted(
    ref: str,
    lock: Lock,
    environment: str,
    pins: Pins,
    registry: Registry,
    *,
    stay: bool,
) -> Template:
    entry = lock.entry(environment, ref) if stay else None
    if entry is not None and allows(pins.get(ref), entry.version):
        return locked_template(ref, entry, environment=environment, registry=registry)
    template = newest(ref, environment=environment, pins=pins, registry=registry)
    published = lock.published(template.name, template.manifest.version)
    if published is not None:
        require_same(template, published, by="were locked before")
    return template


def _every_name(
    lock: Lock, environment: str, pins: Pins, registry: Registry
) -> Iterable[str]:
    section = lock.environments.get(environment, {})
    names = {*pins, *section} or {entry.name for entry in registry.entries()}
    return sorted(names)


def _named(entry: LockedVersion | None) -> str:
    return "not locked" if entry is None else f"{entry.version} by {entry.who}"
