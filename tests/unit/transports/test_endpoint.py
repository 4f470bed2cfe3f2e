"""An instance's address: what it shows, what it hides, what it refuses."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from comfyclient.errors import ConfigError
from comfyclient.transports.endpoint import Endpoint

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    ("url", "http", "websocket"),
    [
        ("http://h:8188", "http://h:8188/prompt", "ws://h:8188/ws?clientId=me"),
        ("http://h:8188/", "http://h:8188/prompt", "ws://h:8188/ws?clientId=me"),
        ("https://h/a/b/", "https://h/a/b/prompt", "wss://h/a/b/ws?clientId=me"),
        (
            "https://h/a?k=v%20w&x=",
            "https://h/a/prompt?k=v+w&x=",
            "wss://h/a/ws?k=v+w&x=&clientId=me",
        ),
        (
            "http://[::1]:8188",
            "http://[::1]:8188/prompt",
            "ws://[::1]:8188/ws?clientId=me",
        ),
        ("http://h/#top", "http://h/prompt", "ws://h/ws?clientId=me"),
        ("HTTP://h", "http://h/prompt", "ws://h/ws?clientId=me"),
    ],
)
def test_prefix_and_query_stay(url: str, http: str, websocket: str) -> None:
    """A path prefix and a query go with every URL, HTTP and websocket."""
    endpoint = Endpoint("n", url)
    assert endpoint.http_url("/prompt") == http
    assert endpoint.websocket_url("me") == websocket


@pytest.mark.parametrize(
    "url",
    [
        "",
        "h:8188",
        "ftp://h",
        "http://",
        "http:///x",
        "http://h:port",
        "http://h:99999",
        "http://[::1",
        "//h",
        "unix:///var/run/x",
    ],
)
def test_what_is_no_address(url: str) -> None:
    """A URL that leads nowhere is refused when it is configured, with the instance."""
    with pytest.raises(ConfigError, match="instance n"):
        Endpoint("n", url)


@pytest.mark.parametrize(
    "url",
    [
        f"http://user:{SECRET}/x@h:8188",
        f"user:{SECRET}@h:8188",
        f"ftp://user:{SECRET}@h",
        f"http://user:{SECRET}@[::1",
        f"http://user:{SECRET}@h:port",
    ],
)
def test_a_refusal_keeps_the_password(url: str) -> None:
    """The error for a wrong URL does not quote a password in it."""
    with pytest.raises(ConfigError) as caught:
        Endpoint("n", url)
    assert SECRET not in str(caught.value)


def test_nothing_secret_is_shown() -> None:
    """Neither repr nor the shown address tell password, query, token or headers."""
    endpoint = Endpoint(
        "n",
        f"https://user:{SECRET}@h/a?key={SECRET}",
        headers={"X-Key": SECRET},
        token=SecretStr(SECRET),
    )
    assert endpoint.shown == "https://h/a"
    assert SECRET not in repr(endpoint)
    assert endpoint.has_secrets_in_url
    assert not Endpoint("n", "https://h/a").has_secrets_in_url


@pytest.mark.parametrize(
    ("scheme", "sent"), [(None, "abc"), ("Bearer", "Bearer abc"), ("", "abc")]
)
def test_the_token_is_a_header(scheme: str | None, sent: str) -> None:
    """The token is sent bare, or behind a scheme word, beside the other headers."""
    endpoint = Endpoint(
        "n", "http://h", headers={"X": "1"}, token=SecretStr("abc"), token_scheme=scheme
    )
    assert endpoint.all_headers() == {"X": "1", "Authorization": sent}


@pytest.mark.parametrize(
    "headers",
    [
        {"X": "a\r\nY: b"},
        {"X": "a\n"},
        {"X": " a"},
        {"X": "旅"},
        {"X": "\0"},
        {"X Y": "a"},
        {"": "a"},
        {"X:": "a"},
    ],
)
def test_a_header_that_http_cannot_carry(headers: dict[str, str]) -> None:
    """A header that would break the request is refused when it is configured."""
    with pytest.raises(ConfigError, match="header"):
        Endpoint("n", "http://h", headers=headers)


def test_a_token_with_a_line_break() -> None:
    """A token that a line break was read with is refused, and not quoted."""
    with pytest.raises(ConfigError, match="Authorization") as caught:
        Endpoint("n", "http://h", token=SecretStr(SECRET + "\n"))
    assert SECRET not in str(caught.value)
