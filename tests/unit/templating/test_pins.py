"""Pins and locks: what an environment runs, and what it refuses."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path

import pytest
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from comfyclient.errors import PinError, TemplateError, TemplateNotFoundError
from comfyclient.pins.locked import Lock, LockedVersion
from comfyclient.pins.pins import newest, resolve, standing
from comfyclient.templating.registry import Registry
from comfyclient.templating.template import Template

WriteTemplate = Callable[..., Path]

VERSIONS = ("0.9.0", "1.0.0", "1.1.0", "1.2.0rc1", "2.0.0")


@pytest.fixture
def registry(write_template: WriteTemplate) -> Registry:
    """A template in five versions, and another one."""
    for version in VERSIONS:
        folder = write_template(version=version)
    write_template(name="poster", version="1.0.0")
    return Registry([folder.parents[1]])


def locked(registry: Registry, *refs: str, environment: str = "prod") -> Lock:
    """A lock of these templates as they are."""
    lock = Lock()
    for ref in refs:
        template = registry.find(ref)
        lock = lock.with_entry(environment, template.name, entry(template))
    return lock


def entry(template: Template, digest: str | None = None) -> LockedVersion:
    """A template as somebody locked it."""
    return LockedVersion(
        version=template.manifest.version,
        digest=template.digest if digest is None else digest,
        who="wei",
        when=datetime(2026, 5, 2, tzinfo=UTC),
    )


def run(
    registry: Registry,
    ref: str = "card",
    *,
    pins: Mapping[str, str] | None = None,
    lock: Lock | None = None,
    protected: bool = False,
    confirm: str | None = None,
) -> str:
    """The template that prod runs."""
    return resolve(
        ref,
        environment="prod",
        pins={} if pins is None else pins,
        lock=lock,
        registry=registry,
        protected=protected,
        confirm=confirm,
    ).ref


@pytest.mark.parametrize(
    ("ref", "pin", "found"),
    [
        ("card", None, "2.0.0"),
        ("card", "~=1.0", "1.1.0"),
        ("card", "<1", "0.9.0"),
        ("card", "==1.2.0rc1", "1.2.0rc1"),
        ("card", ">=1.2.0rc1,<2", "1.2.0rc1"),
        ("card@1.0.0", "~=1.0", "1.0.0"),
        ("card@>=1", "<2", "1.1.0"),
        ("card@1.2.0rc1", "~=1.0", "1.2.0rc1"),
        (" card ", "~=1.0", "1.1.0"),
        ("card", "", "2.0.0"),
    ],
)
def test_without_a_lock_the_newest_in_the_range_runs(
    registry: Registry, ref: str, pin: str | None, found: str
) -> None:
    """The pin holds also for whoever asks for a version of their own."""
    pins = {} if pin is None else {"card": pin}
    assert run(registry, ref, pins=pins) == f"card@{found}"


@pytest.mark.parametrize("ref", ["card@2.0.0", "card@>=2", "card@0.9.0"])
def test_a_pin_excludes_what_is_asked_for(registry: Registry, ref: str) -> None:
    """The error names both."""
    with pytest.raises(PinError, match=r"prod is pinned to card ~=1\.0, and "):
        run(registry, ref, pins={"card": "~=1.0"})


def test_a_pin_that_nothing_fits_is_told(registry: Registry) -> None:
    """With what there is."""
    with pytest.raises(PinError, match=r"pinned to card ~=3\.0.*there are 0\.9\.0, 1"):
        run(registry, pins={"card": "~=3.0"})


@pytest.mark.parametrize("ref", ["cart", "card@9.0.0", "../card", "card@", "card@x"])
@pytest.mark.parametrize("pins", [{}, {"card": "~=1.0"}])
def test_what_is_not_there_is_not_found(
    registry: Registry, ref: str, pins: Mapping[str, str]
) -> None:
    """Pinned or not; where something is locked, that is told first."""
    with pytest.raises(TemplateNotFoundError):
        run(registry, ref, pins=pins)
    with pytest.raises((TemplateNotFoundError, PinError)):
        run(registry, ref, pins=pins, lock=locked(registry, "card@1.0.0"))


def test_an_environment_runs_what_its_lock_says(registry: Registry) -> None:
    """Not the newest; for itself, not for another environment."""
    lock = locked(registry, "card@1.0.0")
    assert run(registry, lock=lock) == "card@1.0.0"
    assert run(registry, "card@1.0.0", lock=lock) == "card@1.0.0"
    assert run(registry, "card@~=1.0", lock=lock, pins={"card": "<3"}) == "card@1.0.0"
    assert run(registry, lock=locked(registry, "card@1.0.0", environment="test")) == (
        "card@2.0.0"
    )


def test_a_locked_pre_release_runs(registry: Registry) -> None:
    """Whoever locked it meant it, and it is in the range."""
    lock = locked(registry, "card@1.2.0rc1")
    assert run(registry, lock=lock, pins={"card": "~=1.0"}) == "card@1.2.0rc1"


def test_what_is_not_locked_does_not_run(registry: Registry) -> None:
    """The remedy is told; a typing mistake too."""
    lock = locked(registry, "card@1.0.0")
    with pytest.raises(PinError, match=r"(?s)which runs card.*pins lock poster --env"):
        run(registry, "poster", lock=lock)
    with pytest.raises(TemplateNotFoundError, match="did you mean 'card'"):
        run(registry, "cord", lock=lock)
    with pytest.raises(PinError, match="which runs nothing"):
        run(registry, lock=Lock({"prod": {}}))


def test_another_version_than_the_locked_does_not_run(registry: Registry) -> None:
    """Both are named."""
    with pytest.raises(PinError, match=r"card@1\.1\.0 was asked .* card@1\.0\.0"):
        run(registry, "card@1.1.0", lock=locked(registry, "card@1.0.0"))


def test_a_pin_that_excludes_the_lock_is_an_error(registry: Registry) -> None:
    """Both are named: nobody can tell which of the two is meant."""
    lock = locked(registry, "card@2.0.0")
    with pytest.raises(PinError, match=r"to card ~=1\.0, which excludes 2\.0\.0"):
        run(registry, lock=lock, pins={"card": "~=1.0"})


@pytest.mark.parametrize("file", ["manifest.toml", "workflow.json.j2"])
@pytest.mark.parametrize("change", [b"\n", b" ", None])
def test_other_bytes_do_not_run(
    registry: Registry, file: str, change: bytes | None
) -> None:
    """Both digests are named; line endings count too."""
    lock = locked(registry, "card@1.0.0")
    path = registry.find("card@1.0.0").folder / file
    before = registry.find("card@1.0.0").digest
    content = path.read_bytes()
    path.write_bytes(
        content.replace(b"\n", b"\r\n") if change is None else content + change
    )

    with pytest.raises(PinError) as caught:
        run(registry, lock=lock, confirm="prod")

    after = registry.find("card@1.0.0").digest
    assert before != after
    assert before in str(caught.value)
    assert after in str(caught.value)
    assert "templates bump card" in str(caught.value)


def test_a_sample_trip_changes_nothing(registry: Registry) -> None:
    """It has no part in what a template renders."""
    lock = locked(registry, "card@1.0.0")
    (registry.find("card@1.0.0").folder / "sample_trip.json").write_text("{}")
    assert run(registry, lock=lock) == "card@1.0.0"


def test_a_locked_version_that_is_gone_is_told(
    registry: Registry, write_template: WriteTemplate
) -> None:
    """Another one does not take its place."""
    lock = locked(registry, "card@1.0.0")
    folder = registry.find("card@1.0.0").folder
    folder.rename(folder.with_name("gone"))
    with pytest.raises(TemplateNotFoundError, match=r"to card@1\.0\.0, which is not"):
        run(registry, lock=lock)


@pytest.mark.parametrize("lock", [None, Lock(), Lock({"test": {}})])
@pytest.mark.parametrize("pins", [{}, {"card": "==1.0.0"}])
def test_a_protected_environment_runs_nothing_unlocked(
    registry: Registry, lock: Lock | None, pins: Mapping[str, str]
) -> None:
    """Unless confirmed by its own name: a pin does not fix what is in a version."""
    for confirm in (None, "", "test", "yes"):
        with pytest.raises(PinError, match="prod is protected"):
            run(registry, lock=lock, pins=pins, protected=True, confirm=confirm)
    expected = "card@1.0.0" if pins else "card@2.0.0"
    confirmed = run(registry, lock=lock, pins=pins, protected=True, confirm="prod")
    assert confirmed == expected


def test_a_protected_environment_runs_what_is_locked(registry: Registry) -> None:
    """Nothing needs to be confirmed then, and confirming lifts no lock."""
    lock = locked(registry, "card@1.0.0")
    assert run(registry, lock=lock, protected=True) == "card@1.0.0"
    with pytest.raises(PinError):
        run(registry, "poster", lock=lock, protected=True, confirm="prod")


def test_nothing_but_the_right_version_ever_runs(registry: Registry) -> None:
    """Every mix of pin, request, lock and changed bytes, against the plain rules."""
    digests = {v: registry.find(f"card@{v}").digest for v in VERSIONS}
    ran = 0
    mixes = itertools.product(
        (None, "~=1.0", "==2.0.0", "<1", ">5"),
        ("", "1.1.0", "2.0.0", "~=1.0", "1.2.0rc1"),
        (None, *VERSIONS),
        (False, True),
        (False, True),
    )
    for pin, asked, version, damaged, protected in mixes:
        lock = None
        if version is not None:
            template = registry.find(f"card@{version}")
            digest = "0" * 64 if damaged else None
            lock = Lock().with_entry("prod", "card", entry(template, digest))
        pins = {} if pin is None else {"card": pin}
        ref = f"card@{asked}" if asked else "card"
        try:
            found = run(registry, ref, pins=pins, lock=lock, protected=protected)
        except TemplateError:
            continue
        ran += 1
        number = found.removeprefix("card@")
        for spec in (pin, f"=={asked}" if asked[:1].isdigit() else asked):
            if spec:
                assert SpecifierSet(spec).contains(Version(number), prereleases=True)
        if lock is None:
            assert not protected
        else:
            assert number == version
            assert not damaged
            assert digests[number] == lock.environments["prod"]["card"].digest
    assert ran > 50


def test_a_broken_template_is_told(
    registry: Registry, write_template: WriteTemplate
) -> None:
    """Its own error comes through."""
    (registry.find("card@2.0.0").folder / "manifest.toml").write_text("")
    with pytest.raises(TemplateError, match=r"manifest\.toml"):
        run(registry)


def test_the_newest_for_a_pin(registry: Registry) -> None:
    """What `pins lock` would lock, whatever the lock says now."""
    found = newest("card", environment="prod", pins={"card": "<1.1"}, registry=registry)
    assert found.ref == "card@1.0.0"


@pytest.mark.parametrize(
    ("pin", "lock_ref", "newest_there", "outdated", "problem"),
    [
        (None, None, "2.0.0", False, None),
        ("~=1.0", None, "1.1.0", False, None),
        ("~=1.0", "card@1.1.0", "1.1.0", False, None),
        ("~=1.0", "card@1.0.0", "1.1.0", True, None),
        (None, "card@1.2.0rc1", "2.0.0", True, None),
        ("~=1.0", "card@2.0.0", "1.1.0", False, "excludes 2.0.0"),
        (">5", None, None, False, "pinned to card >5"),
        (">5", "card@2.0.0", None, False, "excludes 2.0.0"),
        ("~=1.0", "poster@1.0.0", "1.1.0", False, "is not locked"),
    ],
)
def test_how_a_template_stands(
    registry: Registry,
    pin: str | None,
    lock_ref: str | None,
    newest_there: str | None,
    outdated: bool,
    problem: str | None,
) -> None:
    """Pin, lock, the newest, and what is wrong: told, not raised."""
    found = standing(
        "card",
        environment="prod",
        pins={} if pin is None else {"card": pin},
        lock=None if lock_ref is None else locked(registry, lock_ref),
        registry=registry,
    )
    assert (None if found.newest is None else str(found.newest)) == newest_there
    assert found.outdated is outdated
    if problem is None:
        assert found.problem is None
    else:
        assert problem in str(found.problem)
    if found.locked is not None:
        assert found.digest == found.locked.digest


def test_a_template_that_was_never_there_stands_badly(registry: Registry) -> None:
    """A pin or a lock may name anything."""
    lock = Lock().with_entry("prod", "cord", entry(registry.find("card")))
    for given in (None, lock):
        found = standing(
            "cord", environment="prod", pins={}, lock=given, registry=registry
        )
        assert isinstance(found.problem, TemplateNotFoundError)
        assert (found.newest, found.digest) == (None, None)
