"""The templates that an environment runs: each with its graph, or why it has none."""

from __future__ import annotations

from dataclasses import dataclass

from ..config.settings import Settings
from ..errors import ComfyClientError, TemplateError, TripError
from ..templating.comparing import from_sample
from ..templating.registry import Registry
from ..templating.template import Template
from ..workflow import Workflow
from .lockfile import read_lock
from .pins import resolve


@dataclass(frozen=True, slots=True)
class Pinned:
    """One template of an environment."""

    name: str
    template: Template | None
    """None where it cannot be found, or is not what is locked."""
    workflow: Workflow | None
    """Filled from its sample trip; None where it cannot be."""
    problem: ComfyClientError | None = None


@dataclass(frozen=True, slots=True)
class PinnedTemplates:
    """All templates of an environment."""

    basis: str
    """What names them, in words."""
    pinned: tuple[Pinned, ...]
    is_locked: bool

    @property
    def workflows(self) -> dict[str, Workflow]:
        """The graphs that there are, by `name@version`."""
        return {
            one.template.ref: one.workflow
            for one in self.pinned
            if one.template is not None and one.workflow is not None
        }


def pinned_templates(
    name: str, settings: Settings, registry: Registry
) -> PinnedTemplates:
    """What an environment runs: by its lock, else by its pins, else the newest of all.

    Raises:
        LockError: the lock cannot be read.
        ConfigError: there is no such environment.
    """
    environment = settings.environment(name)[1]
    lock = None if settings.lock is None else read_lock(settings.lock)
    section = None if lock is None else lock.section(name)
    if section is not None:
        names, basis = sorted(section), "locked"
    elif environment.pins:
        names, basis = sorted(environment.pins), "pinned, not locked"
    else:
        names = sorted({entry.name for entry in registry.entries()})
        basis = "neither pinned nor locked: the newest of each"
        if environment.transport == "embedded":
            names = [one for one in names if not _needs_models(one, registry)]
            basis += "; the engine has no models"
    found = []
    for one in names:
        try:
            template = resolve(
                one,
                environment=name,
                pins=environment.pins,
                lock=lock,
                registry=registry,
                confirm=name,
            )
        except TemplateError as error:
            found.append(Pinned(one, None, None, error))
        else:
            found.append(_filled(one, template))
    return PinnedTemplates(basis, tuple(found), is_locked=section is not None)


def _needs_models(name: str, registry: Registry) -> bool:
    """Whether no version of a template runs without model files."""
    try:
        return not registry.find(name).manifest.requirements.model_free
    except TemplateError:
        return False  # whoever resolves it says what is wrong


def _filled(name: str, template: Template) -> Pinned:
    try:
        return Pinned(name, template, from_sample(template))
    except (TemplateError, TripError) as error:
        return Pinned(name, template, None, error)
