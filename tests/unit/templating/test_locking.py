"""Locking and promoting: what is written, what is refused, who comes second."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import pytest

from comfyclient.errors import LockError, PinError, TemplateError, TemplateNotFoundError
from comfyclient.pins.lockfile import read_lock
from comfyclient.pins.locking import (
    Preflight,
    Promotion,
    Relocked,
    Signature,
    lock_templates,
    prepare,
)
from comfyclient.templating.registry import Registry, shipped_templates

WriteTemplate = Callable[..., Path]

SAMPLE = shipped_templates() / "trip-postcard" / "1.0.0" / "sample_trip.json"
BY = Signature("wei", datetime(2026, 5, 2, tzinfo=UTC), "because")


@pytest.fixture
def registry(write_template: WriteTemplate) -> Registry:
    """Two templates, one of them in three versions."""
    for version in ("1.0.0", "1.1.0", "2.0.0"):
        folder = write_template(('"card"', f'"card {version}"'), version=version)
        shutil.copy(SAMPLE, folder)
    write_template(name="poster")
    return Registry([folder.parents[1]])


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """Where the lock will be."""
    return tmp_path / "comfyclient.lock"


def touch(file: Path) -> None:
    """Add an empty line to a file."""
    file.write_bytes(file.read_bytes() + b"\n")


def lock(
    path: Path,
    registry: Registry,
    *refs: str,
    environment: str = "test",
    pins: Mapping[str, str] | None = None,
    by: Signature = BY,
) -> list[Relocked]:
    """Lock templates."""
    return lock_templates(
        path,
        refs,
        environment=environment,
        pins={} if pins is None else pins,
        registry=registry,
        by=by,
        object_info="f00d",
    )


def versions(path: Path, environment: str = "test") -> dict[str, str]:
    """What an environment is locked to."""
    found = read_lock(path)
    assert found is not None
    section = found.environments.get(environment, {})
    return {name: entry.version for name, entry in section.items()}


def look(
    path: Path,
    registry: Registry,
    *,
    pins: Mapping[str, Mapping[str, str]] | None = None,
    preflight: Preflight | None = None,
) -> Promotion:
    """Look at promoting the card from test to prod."""
    return prepare(
        "card",
        source="test",
        target="prod",
        lock=read_lock(path),
        pins={} if pins is None else pins,
        registry=registry,
        preflight=preflight,
    )


def test_what_is_locked_says_all_about_itself(path: Path, registry: Registry) -> None:
    """Version, digest, fingerprint, who, when and why."""
    (done,) = lock(path, registry, "card@~=1.0")
    template = registry.find("card@1.1.0")
    assert done.before is None
    assert done.changed
    assert done.after.model_dump() == {
        "version": "1.1.0",
        "digest": template.digest,
        "object_info": "f00d",
        "who": "wei",
        "when": BY.when,
        "why": "because",
        "history": (),
    }


def test_locking_the_same_again_changes_nothing(path: Path, registry: Registry) -> None:
    """Whoever locked it first stays the one who did."""
    lock(path, registry, "card")
    before = path.read_bytes()
    (again,) = lock(
        path, registry, "card", by=Signature("li", datetime(2027, 1, 1, tzinfo=UTC))
    )
    assert not again.changed
    assert path.read_bytes() == before


def test_without_names_all_that_is_pinned_or_locked(
    path: Path, registry: Registry
) -> None:
    """With neither, all there is; what is locked then stays, while the pin allows."""
    lock(path, registry)
    assert versions(path) == {"card": "2.0.0", "poster": "1.0.0"}
    lock(path, registry, environment="prod", pins={"card": "<1.1"})
    assert versions(path, "prod") == {"card": "1.0.0"}
    lock(path, registry, environment="prod", pins={"card": "<3"})
    assert versions(path, "prod") == {"card": "1.0.0"}
    lock(path, registry, environment="prod", pins={"card": ">1", "poster": "~=1.0"})
    assert versions(path, "prod") == {"card": "2.0.0", "poster": "1.0.0"}
    assert versions(path) == {"card": "2.0.0", "poster": "1.0.0"}


def test_with_a_name_the_newest_that_the_pin_allows(
    path: Path, registry: Registry
) -> None:
    """The former one goes into the history."""
    lock(path, registry, "card@1.0.0")
    (done,) = lock(path, registry, "card", pins={"card": "~=1.0"})
    assert done.after.version == "1.1.0"
    assert [one.version for one in done.after.history] == ["1.0.0"]


@pytest.mark.parametrize(
    ("refs", "pins", "kind"),
    [
        (["card", "nothing"], {}, TemplateNotFoundError),
        (["poster", "card@2.0.0"], {"card": "~=1.0"}, PinError),
        (["poster", "card@9.0.0"], {}, TemplateNotFoundError),
        (["poster", "../card"], {}, TemplateNotFoundError),
        ([], {"nothing": "~=1.0"}, TemplateNotFoundError),
    ],
)
def test_all_or_none_is_locked(
    path: Path,
    registry: Registry,
    refs: Sequence[str],
    pins: Mapping[str, str],
    kind: type[TemplateError],
) -> None:
    """One that cannot be keeps the others out too."""
    with pytest.raises(kind):
        lock(path, registry, *refs, pins=pins)
    assert not path.exists()
    assert not path.with_name("comfyclient.lock.new").exists()


@pytest.mark.parametrize("refs", [[], ["card"], ["card@2.0.0"]])
@pytest.mark.parametrize("environment", ["test", "prod"])
def test_a_published_version_never_changes(
    path: Path, registry: Registry, refs: Sequence[str], environment: str
) -> None:
    """Other bytes under a number that any environment has locked are refused."""
    lock(path, registry, "card")
    before = registry.find("card").digest
    touch(registry.find("card").folder / "manifest.toml")
    with pytest.raises(PinError) as caught:
        lock(path, registry, *refs, environment=environment)
    assert before in str(caught.value)
    assert registry.find("card").digest in str(caught.value)


def test_nor_does_one_that_was_locked_once(path: Path, registry: Registry) -> None:
    """The history counts."""
    lock(path, registry, "card@1.0.0")
    lock(path, registry, "card@1.1.0")
    folder = registry.find("card@1.0.0").folder
    touch(folder / "workflow.json.j2")
    with pytest.raises(PinError, match="were locked before"):
        lock(path, registry, "card@1.0.0")
    assert versions(path) == {"card": "1.1.0"}


def test_promoting_shows_the_difference_and_then_does_it(
    path: Path, registry: Registry
) -> None:
    """The target alone is changed; who, when and why are the promoter's."""
    lock(path, registry, "card@1.1.0", "poster")
    lock(path, registry, "card@1.0.0", environment="prod")
    seen = look(path, registry)
    assert seen.needed
    assert seen.difference is not None
    assert [str(c) for n in seen.difference.nodes for c in n.changes] == [
        '~ inputs.filename_prefix: "card 1.0.0" → "card 1.1.0"'
    ]
    by = Signature("li", datetime(2027, 1, 1, tzinfo=UTC), "tried for a week")

    entry = seen.promote(path, by=by, object_info="beef")

    assert (entry.version, entry.who, entry.object_info) == ("1.1.0", "li", "beef")
    assert [one.version for one in entry.history] == ["1.0.0"]
    assert versions(path, "prod") == {"card": "1.1.0"}
    assert versions(path) == {"card": "1.1.0", "poster": "1.0.0"}
    assert not look(path, registry).needed


def test_a_first_promotion_and_one_back(path: Path, registry: Registry) -> None:
    """There is nothing to compare with, or an older version comes: both are let be."""
    lock(path, registry, "card@2.0.0")
    first = look(path, registry)
    assert first.difference is None
    assert first.remark == "environment prod runs no version of it yet"
    first.promote(path, by=BY)
    lock(path, registry, "card@1.0.0")
    look(path, registry).promote(path, by=BY)
    assert versions(path, "prod") == {"card": "1.0.0"}


def test_what_the_target_ran_may_be_gone(path: Path, registry: Registry) -> None:
    """That must not keep a broken version in prod."""
    lock(path, registry, "card@1.0.0", environment="prod")
    lock(path, registry, "card@1.1.0")
    folder = registry.find("card@1.0.0").folder
    folder.rename(folder.with_name("gone"))
    seen = look(path, registry)
    assert seen.difference is None
    assert seen.remark is not None
    assert "card@1.0.0, which is not there" in seen.remark
    seen.promote(path, by=BY)
    assert versions(path, "prod") == {"card": "1.1.0"}


def test_what_cannot_be_filled_is_not_compared(path: Path, registry: Registry) -> None:
    """Without a sample trip nobody knows what graph it gives; that is told."""
    lock(path, registry, "card@1.0.0", environment="prod")
    lock(path, registry, "card@1.1.0")
    for version in ("1.0.0", "1.1.0"):
        (registry.find(f"card@{version}").folder / "sample_trip.json").unlink()
    seen = look(path, registry)
    assert seen.difference is None
    assert seen.remark is not None
    assert "nothing to compare: card@1.0.0 needs a trip" in seen.remark


def test_what_is_not_locked_cannot_be_promoted(path: Path, registry: Registry) -> None:
    """No lock, no section, or not that template."""
    with pytest.raises(PinError, match="card is not locked in environment test"):
        look(path, registry)
    lock(path, registry, "poster")
    with pytest.raises(PinError, match=r"(?s)card is not locked.*pins lock card --env"):
        look(path, registry)


@pytest.mark.parametrize("environment", ["test", "prod"])
def test_no_pin_is_passed_over(
    path: Path, registry: Registry, environment: str
) -> None:
    """Neither the source's nor the target's."""
    lock(path, registry, "card@2.0.0")
    with pytest.raises(PinError, match=f"{environment} is pinned to card ~=1.0"):
        look(path, registry, pins={environment: {"card": "~=1.0"}})


def test_changed_bytes_are_not_promoted(path: Path, registry: Registry) -> None:
    """What was tried in test is not what would run."""
    lock(path, registry, "card")
    touch(registry.find("card").folder / "manifest.toml")
    with pytest.raises(PinError, match="are not those that environment test"):
        look(path, registry)


def test_what_the_target_would_not_run_is_not_promoted(
    path: Path, registry: Registry
) -> None:
    """The problems are there to be shown, and nothing is written."""
    lock(path, registry, "card@1.0.0")
    before = path.read_bytes()
    asked: list[str] = []

    def preflight(template: object) -> list[str]:
        asked.append(str(template))
        return ["node class SetText is not installed", "model a.ckpt is not there"]

    seen = look(path, registry, preflight=preflight)
    assert asked == ["Template(card@1.0.0)"]
    with pytest.raises(PinError, match=r"SetText is not installed; model a\.ckpt"):
        seen.promote(path, by=BY)
    assert path.read_bytes() == before
    look(path, registry, preflight=lambda template: []).promote(path, by=BY)
    asked.clear()
    assert not look(path, registry, preflight=preflight).needed
    assert asked == []


@pytest.mark.parametrize("environment", ["test", "prod"])
def test_what_changed_since_it_was_shown_is_not_done(
    path: Path, registry: Registry, environment: str
) -> None:
    """Nobody confirmed that difference."""
    lock(path, registry, "card@1.1.0")
    lock(path, registry, "card@1.0.0", environment="prod")
    seen = look(path, registry)
    lock(path, registry, "card@2.0.0", environment=environment)
    before = path.read_bytes()
    with pytest.raises(LockError, match=f"card in environment {environment} was chan"):
        seen.promote(path, by=BY)
    assert path.read_bytes() == before


def test_promotions_at_once_do_not_lose_one_another(
    path: Path, registry: Registry, write_template: WriteTemplate
) -> None:
    """Each changes its own template."""
    names = [f"t{number}" for number in range(12)]
    for name in names:
        write_template(name=name)
    lock(path, registry, *names)

    def promote(name: str) -> None:
        prepare(
            name,
            source="test",
            target="prod",
            lock=read_lock(path),
            pins={},
            registry=Registry(registry.roots),
        ).promote(path, by=BY)

    with ThreadPoolExecutor(6) as pool:
        for done in [pool.submit(promote, name) for name in names]:
            done.result(timeout=30)
    assert versions(path, "prod") == dict.fromkeys(names, "1.0.0")


def test_of_two_who_saw_the_same_one_is_told(path: Path, registry: Registry) -> None:
    """The second one must look again."""
    lock(path, registry, "card@1.1.0")
    one, other = look(path, registry), look(path, registry)
    one.promote(path, by=BY)
    with pytest.raises(LockError, match="promote again"):
        other.promote(path, by=BY)
