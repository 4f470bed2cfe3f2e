"""What a server of a version can do."""

from __future__ import annotations

import pytest

from comfyclient.transports.dialect import Dialect, parse_version

ABILITIES = (
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
    assert [getattr(dialect, name) for name in ABILITIES] == [
        n < abilities for n in range(4)
    ]


def test_what_was_seen_counts_more() -> None:
    """A route that was seen missing is not asked again, whatever the version says."""
    dialect = Dialect(version="0.33.0", jobs_api=False, cancel_route=False)
    assert not dialect.has_jobs_api
    assert not dialect.has_cancel_route
    assert Dialect(version="unknown", jobs_api=True).has_jobs_api


@pytest.mark.parametrize(
    "text", [None, "", "unknown", "abc", "0..1", "²", "0.3.12+\0", "-"]
)
def test_an_odd_version_is_none(text: str | None) -> None:
    """A version that cannot be read is none, not an error."""
    assert parse_version(text) is None
