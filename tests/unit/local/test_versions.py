"""The table of releases: what is shown from which one on."""

from __future__ import annotations

from dataclasses import fields

import pytest

from comfyclient.errors import EngineError
from comfyclient.local.versions import NEWEST, OLDEST, Behaviour, behaviour_of

TABLE = [
    ("value_wrapper", "0.3.26", "0.3.27"),
    ("errors_as_objects", "0.3.27", "0.3.28"),
    ("progress_text", "0.3.33", "0.3.34"),
    ("client_prompt_id", "0.3.44", "0.3.45"),
    ("feature_flags", "0.3.44", "0.3.45"),
    ("partial_targets", "0.3.47", "0.3.48"),
    ("interrupt_by_id", "0.3.56", "0.3.57"),
    ("history_offset", "0.3.59", "0.3.60"),
    ("outputs_of_this_run", "0.3.67", "0.3.68"),
    ("create_time", "0.3.68", "0.3.69"),
    ("platform_name", "0.3.76", "0.4.0"),
    ("jobs_api", "0.5.1", "0.6.0"),
    ("combos_checked", "0.7.0", "0.8.0"),
    ("cancelled_status", "0.8.9", "0.9.0"),
    ("missing_node_type", "0.11.0", "0.12.0"),
    ("cross_site_refused", "0.18.0", "0.19.0"),
    ("cycles_named", "0.19.9", "0.20.0"),
    ("uuid_prompt_id", "0.24.0", "0.25.0"),
    ("cancel_routes", "0.25.3", "0.26.0"),
    ("save_nodes_return", "0.25.3", "0.26.0"),
]


@pytest.mark.parametrize(("name", "before", "first"), TABLE)
def test_behaviour_begins_with_its_release(name: str, before: str, first: str) -> None:
    """A behaviour is off in the release before its first, and on from there."""
    assert getattr(behaviour_of(before), name) is False
    assert getattr(behaviour_of(first), name) is True
    assert getattr(behaviour_of(NEWEST), name) is True


def test_newest_shows_everything_and_oldest_nothing() -> None:
    """The newest release has every behaviour of the table, the oldest none."""
    names = [each.name for each in fields(Behaviour) if each.name != "version"]

    assert all(getattr(behaviour_of(NEWEST), name) is True for name in names)
    assert not any(getattr(behaviour_of(OLDEST), name) for name in names)


@pytest.mark.parametrize("version", ["", "v", "0.2.99", "1.0", "0.33.1", "0.3.12\0"])
def test_other_versions_are_refused(version: str) -> None:
    """What is no version, or not one that is played, is an error."""
    with pytest.raises(EngineError, match="version"):
        behaviour_of(version)
