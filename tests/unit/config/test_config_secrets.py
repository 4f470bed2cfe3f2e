"""What is taken for a secret, and what is shown of it."""

from __future__ import annotations

import pytest

from comfyclient.config.secrets import (
    looks_secret,
    masked_url,
    names_credential,
    password_of_url,
    secret_of_url,
    shown,
    shown_key,
)


@pytest.mark.parametrize(
    ("url", "masked"),
    [
        ("http://h:8188/a", "http://h:8188/a"),
        ("http://u@h/a", "http://…@h/a"),
        ("http://u:p@h/a?x=1", "http://…@h/a?…"),
        ("http://h/a?", "http://h/a"),
        ("http://h/a#token", "http://h/a#…"),
        ("http://h/token=abc/b", "http://h/token=…/b"),
        ("postgresql://u:p/q@x@h/db", "postgresql://…@h/db"),
        ("postgresql:///u:p@h/db", "postgresql://…@h/db"),
        ("postgresql://u:pw-of-mine", "postgresql://…"),
        ("http://u:pw/a", "http://…/a"),
        ("http://[::1]:8188/a", "http://[::1]:8188/a"),
        ("sqlite://:memory:", "sqlite://:memory:"),
        ("sqlite:///C:/a/jobs.db", "sqlite:///C:/a/jobs.db"),
        ("sqlite:////home/a@b/jobs.db", "sqlite:////home/a@b/jobs.db"),
    ],
)
def test_a_url(url: str, masked: str) -> None:
    """User, password, query and fragment are not shown; the place is."""
    assert masked_url(url) == masked


@pytest.mark.parametrize(
    ("url", "what"),
    [
        ("http://h/a?b=1&trace=on", None),
        ("http://u:p@h", "a user or password"),
        ("http://u:p", "a user or password"),
        ("http://h:8188", None),
        ("http://h?Access_Key=x", "a token in its query"),
        ("http://h?x=4f9a8b7c6d5e4f3a", "a token in its query"),
    ],
)
def test_a_secret_in_a_url(url: str, what: str | None) -> None:
    """Known by its place, by its name, or by its looks."""
    assert secret_of_url(url) == what


def test_a_databases_password() -> None:
    """An empty one is none."""
    assert password_of_url("postgresql://u:p@h/db") == "p"
    assert password_of_url("postgresql://u:@h/db") is None
    assert password_of_url("sqlite:///a.db") is None


@pytest.mark.parametrize(
    ("name", "is_one"),
    [
        ("Authorization", True),
        ("X-Api-Key", True),
        ("x_access_key", True),
        ("Cookie", True),
        ("key", True),
        ("X-Trace", False),
        ("Accept-Language", False),
        ("X-Monkey", False),
    ],
)
def test_a_header(name: str, is_one: bool) -> None:
    """Some names are those of credentials."""
    assert names_credential(name) is is_one


@pytest.mark.parametrize(
    ("text", "is_one"),
    [
        ("Bearer x", True),
        ("sk-0a1b2c3d4e5f", True),
        ("MTIzNDU2Nzg5MGFiY2RlZg==", True),
        ("comfyui/test", False),
        ("on", False),
    ],
)
def test_looks(text: str, is_one: bool) -> None:
    """Long and mixed is what keys are."""
    assert looks_secret(text) is is_one


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("window", 0, "0"),
        ("transport", "smtp", "'smtp'"),
        ("transport", "sk-0a1b2c3d", None),
        ("transport", "bearer x", None),
        ("endpoint", "https://u:pw@oss", None),
        ("ca_file", "u:pw@oss", None),
        ("token_env", "x", None),
        ("url", "x", None),
        ("window", [1], "an array"),
        ("window", {"a": "secret"}, "a table"),
        ("window", 2**129, "a huge number"),
    ],
)
def test_a_wrong_value(key: str, value: object, text: str | None) -> None:
    """It is quoted only where it can be no secret."""
    assert shown(("environments", "a", key), value) == text


def test_a_value_among_headers() -> None:
    """No header's value is quoted."""
    assert shown(("instances", 0, "headers", "X-Trace"), 1) is None


def test_a_key_in_place_of_its_value() -> None:
    """A token that slipped before the equals sign is not quoted either."""
    assert shown_key("polices") == "polices"
    assert shown_key("sk-0a1b2c3d4e5f") == "…"
