"""What a server is held to be able to do, and why."""

from __future__ import annotations

import pytest

from comfyclient.transports.dialect import Dialect
from comfyclient.transports.profile import (
    ABILITIES,
    CANCEL_ROUTE,
    INTERRUPTS_BY_ID,
    JOBS_API,
    TAKES_IDS,
    Held,
)

BY_VERSION = (
    "interrupts_by_id",
    "previews_per_prompt",
    "has_jobs_api",
    "has_cancel_route",
)


@pytest.mark.parametrize(
    ("version", "abilities"),
    [
        (None, 0),
        ("unknown", 0),
        ("", 0),
        ("0.3.12", 0),
        ("0.3.56", 0),
        ("0.3.57", 1),
        ("0.3.76", 1),
        ("0.4.0", 1),
        ("0.5.0", 2),
        ("0.6.0", 3),
        ("v0.9.0", 3),
        ("0.25.9", 3),
        ("0.26.0", 4),
        ("0.33.0-12-gabcdef", 4),
        ("1.0", 4),
    ],
)
def test_abilities_come_with_versions(version: str | None, abilities: int) -> None:
    """Each ability is there from its version on; numbers are compared as numbers."""
    dialect = Dialect(version=version)
    assert [getattr(dialect, name) for name in BY_VERSION] == [
        n < abilities for n in range(4)
    ]


def test_what_was_observed_counts_more() -> None:
    """A route that was seen missing is not asked again, whatever the version says."""
    dialect = Dialect(version="0.33.0")
    dialect.saw(JOBS_API, able=False)
    assert not dialect.has_jobs_api
    assert dialect.held(JOBS_API) == Held(able=False, basis="observed")
    assert dialect.held(CANCEL_ROUTE) == Held(able=True, basis="version")


def test_a_server_without_a_version() -> None:
    """Nothing is held of it by a version, and what it showed counts all the same."""
    dialect = Dialect()
    dialect.saw(TAKES_IDS, able=True)
    profile = dict(dialect.profile)
    assert [*profile] == [ability.name for ability in ABILITIES]
    assert profile.pop("takes_ids") == Held(able=True, basis="observed")
    assert {*profile.values()} == {Held(able=False, basis="assumed")}


def test_a_doubted_server_is_known_by_its_version_again() -> None:
    """What an earlier process showed is not held of the one that may be there now."""
    dialect = Dialect(version="0.33.0")
    dialect.saw(TAKES_IDS, able=False)
    dialect.doubt()
    assert dialect.doubted
    assert dialect.takes_ids
    dialect.learn("0.3.40")
    assert not dialect.doubted
    assert not dialect.takes_ids


def test_what_the_new_process_showed_before_its_version() -> None:
    """It is kept when the version is learned, if that is the same as before."""
    dialect = Dialect(version="0.33.0")
    dialect.doubt()
    dialect.saw(JOBS_API, able=False)
    dialect.learn("0.33.0")
    assert not dialect.has_jobs_api
    dialect.learn("0.34.0")
    assert dialect.has_jobs_api


def test_stopping_by_id_is_never_assumed() -> None:
    """Nothing shows at no cost who would be stopped: only a version tells."""
    assert INTERRUPTS_BY_ID.shows is None
    assert not Dialect(version="nightly").interrupts_by_id
