"""What in the configuration is or looks like a secret; what is shown of it. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import parse_qsl, unquote, unquote_plus

from .toml_lines import Location

MASK = "…"

_SECRET_KEYS = {"token", "token_env", "url", "ledger"} | {
    *("key", "key_env", "base_address"),
}
"""Keys whose value is not quoted when it is wrong: it may be a secret, misplaced."""
_CREDENTIAL = re.compile(
    r"auth|token|secret|passw|pwd|credential|cookie|session|jwt|sign"
    r"|(api|access|private|app)[-_]?(key|code)|^(key|code|sig)$",
    re.IGNORECASE,
)
_SCHEME_WORD = re.compile(r"\s*(bearer|basic|digest|token|negotiate)\s", re.IGNORECASE)
_WORD = re.compile(r"[A-Za-z0-9+/=_.~-]{12,}")
_OPAQUE = re.compile(
    r"(?=[a-z+/=_.~-]{0,80}[A-Z0-9])[A-Za-z0-9+/=_.~-]{10,}|.{60}", re.S
)
_PASSWORD = re.compile(r":.*@", re.DOTALL)
"""What stands before a host, perhaps in a key that takes no such address."""
_ASSIGNED = re.compile(r"=[^/]+")
_USER_INFO = re.compile(r"://(?:[^:/@]*|.*:.*)@", re.DOTALL)
_NO_PORT = re.compile(r"://(?!\[)[^/@:?#]+:(?!\d{0,5}(?:[/?#]|$))[^/@?#]*")
"""A host with a port that is none: a user and a password, without what follows."""


def names_credential(name: str) -> bool:
    """Whether a header or parameter of this name holds a credential."""
    return _CREDENTIAL.search(name) is not None


def looks_secret(text: str) -> bool:
    """Whether a text looks like a key or a token: long, letters and digits mixed."""
    return _SCHEME_WORD.match(text) is not None or any(
        sum(map(str.isdigit, word)) >= 3 and sum(map(str.isalpha, word)) >= 3
        for word in _WORD.findall(text)
    )


def _may_be_quoted(text: str) -> bool:
    """Whether a text is surely no secret: short, or nothing but small words."""
    found = (_SCHEME_WORD.match(text), _OPAQUE.search(text), _PASSWORD.search(text))
    return found == (None, None, None)


def masked_url(url: str) -> str:
    """A URL without user, password, and what its query or fragment says."""
    address, mark, rest = re.split(r"([?#])", f"{url}?", maxsplit=1)
    address = _NO_PORT.sub(f"://{MASK}", _USER_INFO.sub(f"://{MASK}@", address))
    masked = _ASSIGNED.sub(f"={MASK}", address)
    return f"{masked}{mark}{MASK}" if rest.strip("?#") else masked


def secret_of_url(url: str) -> str | None:
    """What in a URL looks like a credential; None where nothing does."""
    address, _, query = url.partition("#")[0].partition("?")
    if _USER_INFO.search(address) or _NO_PORT.search(address):
        return "a user or password"
    for name, value in parse_qsl(query):
        if names_credential(name) or looks_secret(value):
            return "a token in its query"
    return None


def password_of_url(url: str) -> str | None:
    """The password in a database's URL, as it stands there."""
    found = re.search(r"://[^:@]*:(.*)@", url, re.DOTALL)
    return found[1] if found is not None and found[1] else None


def secrets_in_url(url: str) -> list[str]:
    """The password and the query's values of a URL, as they stand there and decoded."""
    address, _, query = url.partition("#")[0].partition("?")
    password = password_of_url(address)
    found = [] if password is None else [password, unquote(password)]
    for part in query.split("&"):
        value = part.partition("=")[2]
        found += [value, unquote_plus(value)]
    return found


def secret_headers(headers: Mapping[str, str]) -> list[str]:
    """The names of the headers that look like credentials."""
    return [n for n, v in headers.items() if names_credential(n) or looks_secret(v)]


def shown(location: Location, value: object) -> str | None:
    """A wrong value, to be quoted in an error; None where nothing may be said of it."""
    if any(part in {*_SECRET_KEYS, "headers"} for part in location):
        return None
    if isinstance(value, Mapping):
        return "a table"
    if isinstance(value, list | tuple):
        return "an array"
    if isinstance(value, int) and value.bit_length() > 128:
        return "a huge number"
    if isinstance(value, str) and not _may_be_quoted(value):
        return None
    return f"{value!r:.60}"


def shown_key(key: str) -> str:
    """A key that should not be there; a token may have slipped into its place."""
    return key if _may_be_quoted(key) else MASK
