"""The text of a lock: it comes back whole, or nothing of it is believed."""

from __future__ import annotations

import re
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from comfyclient.errors import LockError
from comfyclient.pins.locked import HISTORY, Lock, LockedVersion
from comfyclient.pins.locktext import lock_text, parse_lock
from comfyclient.templating.hostile import HOSTILE_TEXTS

WHEN = datetime(2026, 5, 2, 17, 30, tzinfo=UTC)


def version(number: str = "1.0.0", **changed: object) -> LockedVersion:
    """A locked version, every field of it set."""
    fields: dict[str, object] = {
        "version": number,
        "digest": "ab" * 32,
        "object_info": "f00d",
        "who": "wei",
        "when": WHEN,
        "why": "a first one",
    }
    return LockedVersion.model_validate({**fields, **changed})


def small() -> Lock:
    """Two environments, one with a history."""
    lock = Lock().with_entry("test", "card", version("1.0.0"))
    lock = lock.with_entry("test", "card", version("1.1.0rc1", digest="cd" * 32))
    return lock.with_entry("prod", "card", version("1.0.0", object_info=None, why=""))


def read(text: str) -> Lock:
    """What a text says."""
    return parse_lock(text, file="comfyclient.lock")


FREE = st.text(st.characters(exclude_categories=["Cs"]), max_size=40)
VERSIONS = st.builds(
    version,
    number=st.sampled_from(["0.1.0", "1.0.0", "1.10.0", "2.0.0rc1"]),
    digest=st.sampled_from(["ab" * 32, "01" * 32]),
    object_info=st.none() | FREE,
    who=FREE | st.sampled_from(HOSTILE_TEXTS),
    why=FREE | st.sampled_from(HOSTILE_TEXTS),
    when=st.datetimes(timezones=st.just(UTC)),
)
NAMES = st.sampled_from(["card", "trip-postcard", "a1"])
ENVIRONMENTS = st.sampled_from(["test", "prod", "Local_2", "-x"])


@given(entries=st.lists(st.tuples(ENVIRONMENTS, NAMES, VERSIONS), max_size=12))
@settings(max_examples=30, deadline=None)
def test_any_lock_comes_back(entries: list[tuple[str, str, LockedVersion]]) -> None:
    """With its history, whoever wrote whatever as a reason; and has one text."""
    lock = Lock()
    for environment, name, one in entries:
        lock = lock.with_entry(environment, name, one)

    text = lock_text(lock)

    assert read(text) == lock
    assert lock_text(read(text)) == text
    assert read(text.replace("\n", "\r\n")) == lock


def test_a_text_that_was_cut_is_refused_wherever_it_was() -> None:
    """No environment or template can go missing without a word."""
    whole = lock_text(small()).encode()
    for end in range(len(whole) - 1):
        with pytest.raises(LockError):
            read(whole[:end].decode())
    assert read(whole[:-1].decode()) == small()


def test_no_flipped_bit_changes_what_is_read() -> None:
    """It is refused, or stood in a comment."""
    lock = Lock().with_entry("prod", "card", version())
    whole = lock_text(lock).encode()
    refused = 0
    for place in range(len(whole)):
        for bit in range(8):
            content = bytearray(whole)
            content[place] ^= 1 << bit
            try:
                found = read(content.decode())
            except (LockError, UnicodeDecodeError):
                refused += 1
            else:
                assert found == lock
    assert refused > len(whole) * 5


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("ab" * 32, "cd" * 32),
        ('version = "1.0.0"', 'version = "1.2.0"'),
        ('who = "wei"', 'who = "somebody"'),
        ("2026-05-02T17:30:00Z", "2026-05-02T17:30:01Z"),
        ("2026-05-02T17:30:00Z", "2026-05-02T17:30:00"),
        ("[environments.prod", "[environments.live"),
        ("templates.card]", "templates.cord]"),
        ('sections = ["prod", "test"]', 'sections = ["test"]'),
        ('sections = ["prod", "test"]', 'sections = ["prod", "test", "test"]'),
        ('sections = ["prod", "test"]', "sections = []"),
        ('object_info = "f00d"', 'object_info = "beef"'),
        ('object_info = "f00d"\n', ""),
        ('why = ""', 'why = ""\nsudo = true'),
        ('version = "1.0.0"', "version = 1"),
        ('version = "1.0.0"', 'version = "1.0"'),
        ('version = "1.0.0"', 'version = "../1.0.0"'),
        ('version = "1.0.0"\n', ""),
        ("schema = 1", "schema = 1\nowner = 1"),
        ("schema = 1", "schema = 1.0"),
        ("checksum =", "checksum = 1 #"),
    ],
)
def test_what_was_changed_by_hand_is_refused(old: str, new: str) -> None:
    """Each value counts, each name, and each section; the remedy is told."""
    text = lock_text(small())
    assert old in text
    with pytest.raises(LockError, match=r"(?s)comfyclient\.lock.*restore it"):
        read(text.replace(old, new))


def test_two_sections_changed_places_is_refused() -> None:
    """A checksum is of one environment: its section is no other's."""
    text = lock_text(small())
    swapped = re.sub(
        r"\.(prod|test)\b",
        lambda found: ".test" if found[1] == "prod" else ".prod",
        text,
    )
    with pytest.raises(LockError, match="changed by hand"):
        read(swapped)


def test_comments_and_empty_lines_are_nobodys_business() -> None:
    """They can be added and taken away."""
    text = lock_text(small())
    stripped = re.sub(r"(?m)^#.*\n|^\n", "", text)
    assert stripped != text
    assert read(stripped + "\n# seen by wei\n") == small()


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ("2", "newer comfyclient: schema 2, and this one reads 1"),
        ("99999999999999999999", "newer comfyclient"),
        ("0", "schema must be 1, got 0"),
        ("true", "schema must be 1, got True"),
        ('"1"', "schema must be 1, got '1'"),
    ],
)
def test_another_schema_is_told(schema: str, said: str) -> None:
    """Whatever else stands in the file: a newer one may say it in another way."""
    with pytest.raises(LockError, match=re.escape(said)):
        read(f"schema = {schema}\nanything = []\n")


@pytest.mark.parametrize(
    "text", ["", "\0", "{}", "[[[", "a" * 100_000, "x = " + "[" * 5_000, "schema = 1"]
)
def test_what_is_no_lock_is_an_error(text: str) -> None:
    """An empty file too: it is one that was being written."""
    with pytest.raises(LockError):
        read(text)


def test_half_of_a_merge_is_an_error() -> None:
    """What version control leaves where two changed the same section."""
    text = lock_text(small()).replace("[environments.prod]", "<<<<<<< HEAD\n", 1)
    with pytest.raises(LockError, match="marks of a merge"):
        read(text)


def test_changes_of_two_sections_can_be_merged_as_text() -> None:
    """Each section has a checksum of its own, and there is none over the whole."""
    base = small()
    ours = base.with_entry("prod", "card", version("2.0.0"))
    theirs = base.with_entry("test", "card", version("3.0.0"))
    at = "[environments.test]"

    merged = lock_text(ours).partition(at)[0] + at + lock_text(theirs).partition(at)[2]

    assert read(merged) == ours.with_entry("test", "card", version("3.0.0"))


def test_the_history_is_the_last_few() -> None:
    """The newest first, none twice, no more than a few."""
    lock = Lock()
    for number in range(HISTORY + 4):
        lock = lock.with_entry("test", "card", version(f"1.{number}.0"))
    entry = lock.entry("test", "card")
    assert entry is not None
    assert [one.version for one in (entry, *entry.history)] == [
        f"1.{number}.0" for number in range(HISTORY + 3, 2, -1)
    ]
    assert lock.published("card", "1.4.0") == version("1.4.0")
    assert lock.published("card", "9.0.0") is None
    assert lock.published("cord", "1.4.0") is None
