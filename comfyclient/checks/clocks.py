"""How far this machine's clock is from a server's, by the Date of an answer. Pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

from ..transports.bodies import Answer
from .base import Diagnosis, fail, ok, skipped, warn

SKEW_WARN_S, SKEW_FAIL_S = 60, 15 * 60
"""OSS refuses signatures that are more than 15 minutes off."""


def skew_told(skew: timedelta | None) -> Diagnosis:
    """What a difference between two clocks means."""
    if skew is None:
        return skipped("the server's answers have no Date")
    seconds = skew.total_seconds()
    ahead = "behind" if seconds > 0 else "ahead of"
    text = f"this clock is {abs(seconds):.0f} s {ahead} the server's"
    if abs(seconds) >= SKEW_FAIL_S:
        return fail(text, "set it by NTP: OSS refuses what is signed 15 minutes off")
    if abs(seconds) >= SKEW_WARN_S:
        return warn(text, "set it by NTP, before it is 15 minutes: OSS refuses then")
    return ok("this clock and the server's agree" if abs(seconds) < 2 else text)


def date_skew(
    answer: Answer, sent_at: datetime, answered_at: datetime
) -> timedelta | None:
    """The server's clock less ours, at the middle of the exchange; None if unsaid."""
    try:
        said = parsedate_to_datetime(answer.headers.get("Date", ""))
        said = said.replace(tzinfo=UTC) if said.tzinfo is None else said
        middle = sent_at + (answered_at - sent_at) / 2
        # a Date is cut to whole seconds
        return said - middle + timedelta(seconds=0.5)
    except (ValueError, OverflowError):  # none, or garbage
        return None
