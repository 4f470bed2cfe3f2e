"""Keeps environments apart: what two of them must not have in common, or write to."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations, product

from .addresses import Folder, bucket_at, folder_at, service_at
from .errors import Mistake
from .models import EnvironmentSettings, InstanceSettings
from .toml_lines import Location

Environments = Mapping[str, EnvironmentSettings]


@dataclass(frozen=True, slots=True)
class _Service:
    """What an instance is, and which one of its environment's it is."""

    index: int
    name: str


@dataclass(frozen=True, slots=True)
class _Root:
    """A folder that an environment keeps files in, and the key that names it."""

    key: Location
    folder: Folder


def mistakes_between(environments: Environments) -> list[Mistake]:
    """What environments have in common that keeps no job, and no file, apart."""
    found: list[Mistake] = []
    for name, environment in environments.items():
        found += _alike_instances(name, environment)
        found += _unknown_partners(name, environments)
    services = {name: _services(one) for name, one in environments.items()}
    roots = {name: list(_roots(one)) for name, one in environments.items()}
    for one, other in combinations(environments, 2):
        if _is_shared(environments, one, other):
            continue
        remedy = _remedy(environments, one, other)
        for service in services[one].keys() & services[other].keys():
            mine, theirs = services[one][service], services[other][service]
            found.append(_same_service((one, mine), (other, theirs), remedy))
        for root, their in product(roots[one], roots[other]):
            if _meet(root.folder, their.folder):
                found.append(_same_storage((one, root), (other, their), remedy))
    return found


def _remedy(environments: Environments, one: str, other: str) -> str:
    """How two are kept apart; a protected one is not the one that only reads."""
    reader, owner = (other, one) if environments[one].protected else (one, other)
    return (
        f"give each its own; or, if {reader} only reads there, say why: "
        f'[environments.{reader}.shared_with] {owner} = "…"'
    )


def writable_instances(
    environments: Environments, name: str
) -> tuple[InstanceSettings, ...]:
    """The instances that an environment may submit and upload to, cancel and delete at.

    Of those that are configured for it: the embedded engine is always its own. The
    others it shares with an environment that it has named in `shared_with`: there it
    may only look, list and collect.
    """
    if name not in environments:
        return ()
    mine = environments[name]
    taken = {
        service
        for other in mine.shared_with
        for service in _services(environments[other])
    }
    return tuple(one for one in mine.instances if service_at(one.url) not in taken)


def writes_storage(environments: Environments, name: str) -> bool:
    """Whether an environment may put files into its storage, and delete them there."""
    if name not in environments:
        return True
    mine = list(_roots(environments[name]))
    return not any(
        _meet(root.folder, theirs.folder)
        for other in environments[name].shared_with
        for theirs in _roots(environments[other])
        for root in mine
    )


def _is_shared(environments: Environments, one: str, other: str) -> bool:
    """Whether one of two says that it only reads what is the other's."""
    return (
        other in environments[one].shared_with or one in environments[other].shared_with
    )


def _services(environment: EnvironmentSettings) -> Mapping[Hashable, _Service]:
    """What its instances are."""
    if environment.transport == "embedded":
        return {}
    return {
        service_at(one.url): _Service(index, one.name)
        for index, one in enumerate(environment.instances)
    }


def _roots(environment: EnvironmentSettings) -> Iterator[_Root]:
    storage, engine = environment.storage, environment.engine
    if environment.transport == "embedded" and engine.base_directory is not None:
        yield _Root(("engine", "base_directory"), folder_at(engine.base_directory))
    if storage.root is not None:
        yield _Root(("storage", "root"), folder_at(storage.root))
    if storage.bucket is not None:
        key = "bucket" if storage.prefix is None else "prefix"
        folder = bucket_at(
            storage.bucket, endpoint=storage.endpoint, prefix=storage.prefix
        )
        yield _Root(("storage", key), folder)


def _same_service(
    mine: tuple[str, _Service], theirs: tuple[str, _Service], remedy: str
) -> Mistake:
    (one, service), (other, known) = mine, theirs
    return Mistake(
        f"instance {service.name!r} of {one} and {known.name!r} of {other} are one "
        "service: their jobs and files would mix",
        hint=remedy,
        location=("environments", other, "instances", known.index, "url"),
    )


def _same_storage(
    mine: tuple[str, _Root], theirs: tuple[str, _Root], remedy: str
) -> Mistake:
    (one, root), (other, known) = mine, theirs
    return Mistake(
        f"the storage of {one} ({root.folder.shown}) and of {other} "
        f"({known.folder.shown}) are the same, or one is in the other: their files "
        "would mix",
        hint=remedy,
        location=("environments", other, *known.key),
    )


def _meet(one: Folder, other: Folder) -> bool:
    return one.holds(other) or other.holds(one)


def _alike_instances(name: str, environment: EnvironmentSettings) -> Iterator[Mistake]:
    at: Location = ("environments", name, "instances")
    names: set[str] = set()
    services: dict[Hashable, str] = {}
    for index, instance in enumerate(environment.instances):
        if instance.name in names:
            yield Mistake(
                f"environment {name} has two instances named {instance.name!r}",
                hint="give each its own name: jobs are found again by it",
                location=(*at, index, "name"),
            )
        first = services.setdefault(service_at(instance.url), instance.name)
        if first != instance.name:
            yield Mistake(
                f"environment {name}: instances {first!r} and {instance.name!r} have "
                "the same url",
                hint="one is enough; its `window` says how many jobs it gets at a time",
                location=(*at, index, "url"),
            )
        names.add(instance.name)


def _unknown_partners(name: str, environments: Environments) -> Iterator[Mistake]:
    for other in environments[name].shared_with:
        at: Location = ("environments", name, "shared_with", other)
        if other == name or other not in environments:
            known = ", ".join(sorted(set(environments) - {name}))
            yield Mistake(
                f"{name} is shared with {other!r}, which is no other environment",
                hint=f"the others: {known}" if known else "there is no other one",
                location=at,
            )
        elif name in environments[other].shared_with and name < other:
            yield Mistake(
                f"{name} and {other} each say that they only read what they share: "
                "then neither may submit there",
                hint="leave shared_with to the one that only reads",
                location=at,
            )
