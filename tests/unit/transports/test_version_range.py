"""The declared range: who is in it, and what is said of who is not."""

from __future__ import annotations

import pytest

from comfyclient.errors import ConfigError, Retry, WrongVersionError
from comfyclient.transports.dialect import Dialect
from comfyclient.transports.profile import (
    ABILITIES,
    CANCEL_ROUTE,
    INTERRUPTS_BY_ID,
    JOBS_API,
    TAKES_IDS,
)
from comfyclient.transports.version_range import VersionRange


def refusal(text: str, dialect: Dialect) -> WrongVersionError:
    """How a range refuses a server."""
    with pytest.raises(WrongVersionError) as refused:
        VersionRange(text).check(dialect, instance="gpu-1")
    return refused.value


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (">=0.3.45", "0.3.45"),
        (">=0.3.45", "v0.33.0"),
        (">=0.3.45", "0.3.45-12-gabcdef"),
        (">=0.3.45", "0.33.0rc1"),
        ("~=0.3.45", "0.3.64"),
        ("==0.3.*", "0.3.12"),
        (">=0.3.45,<0.40,!=0.20.0", "0.20.1"),
        ("", "0.3.12"),
    ],
)
def test_who_is_in_it(text: str, version: str) -> None:
    """Release numbers are compared as such; builds and pre-releases are allowed."""
    VersionRange(text).check(Dialect(version), instance="gpu-1")


@pytest.mark.parametrize(
    ("text", "version"),
    [
        (">=0.3.45", "0.3.44"),
        (">=0.3.45", "0.3.9"),
        ("<0.40", "0.40.0"),
        ("~=0.3.45", "0.4.0"),
        (">=0.3.45,!=0.20.0", "0.20.0"),
        (">=0.33.0", "0.33.0rc1"),
        ("===0.33", "0.33.0"),
        (">0.40,<0.3", "0.33.0"),
    ],
)
def test_who_is_not(text: str, version: str) -> None:
    """The error names the instance, its version and the range, and lets others try."""
    error = refusal(text, Dialect(version))
    assert error.instance == "gpu-1"
    assert version in error.message
    assert f"declares {text}" in error.message
    assert "comfyui_version" in str(error.hint)
    assert error.retry is Retry.ELSEWHERE


def test_an_older_server() -> None:
    """It is said what every server of the range can do and this one cannot."""
    message = refusal(">=0.3.57", Dialect("0.3.12")).message
    assert "lacks what every release" in message
    said = [ability for ability in ABILITIES if ability.words in message]
    assert {TAKES_IDS, INTERRUPTS_BY_ID} < {*said}
    assert JOBS_API not in said


def test_a_range_without_its_lower_end() -> None:
    """What the end itself would not have is not said to be in the range."""
    message = refusal(">0.3.45", Dialect("0.3.45")).message
    assert "do not differ" in message
    assert INTERRUPTS_BY_ID.words in refusal(">0.3.57", Dialect("0.3.45")).message


def test_a_newer_server() -> None:
    """It is said what it does that nothing in the range does yet."""
    message = refusal(">=0.3.45,<0.26", Dialect("0.33.0")).message
    assert CANCEL_ROUTE.words in message
    assert JOBS_API.words not in message


def test_what_was_observed_is_not_said_to_lack() -> None:
    """A server that showed an ability is not said to lack it, however old it is."""
    dialect = Dialect("0.3.44")
    dialect.saw(TAKES_IDS, able=True)
    assert TAKES_IDS.words not in refusal(">=0.3.45", dialect).message


@pytest.mark.parametrize("said", [None, "", "unknown", "nightly" * 1000])
def test_a_server_that_says_no_version(said: str | None) -> None:
    """It is refused too, with what it does say, shortened."""
    error = refusal(">=0", Dialect(said))
    assert "not known" in error.message
    assert ("no version" if said is None else repr(said[:40])) in error.message
    assert len(error.message) < 200


@pytest.mark.parametrize("text", ["new", ">=", "0.3.45", ">=0.3.45 <0.4"])
def test_what_is_no_range(text: str) -> None:
    """A range that cannot be read is a configuration error that shows a right one."""
    with pytest.raises(ConfigError, match="comfyui_version") as wrong:
        VersionRange(text)
    assert ">=0.3.45" in str(wrong.value.hint)
