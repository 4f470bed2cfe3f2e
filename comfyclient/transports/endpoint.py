"""Where an instance is and how to speak to it: address, headers, token, TLS. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from urllib.parse import SplitResult, parse_qsl, urlencode, urlsplit, urlunsplit

from pydantic import SecretStr

from ..errors import ConfigError

_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")


@dataclass(frozen=True, slots=True)
class Tls:
    """How the server's certificate is checked, and ours is shown."""

    verify: bool = True
    ca_file: str | None = None
    """A CA bundle to trust in place of the system's."""
    cert_file: str | None = None
    """A client certificate (PEM)."""
    key_file: str | None = None


@dataclass(frozen=True, slots=True)
class Endpoint:
    """One instance's address; its secrets never show in `repr`.

    `url` may have a path prefix and a query: both go with every request, HTTP and
    websocket. The token is sent as `Authorization: <token>`, or after a scheme word.
    """

    name: str
    url: str = field(repr=False)
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    token: SecretStr | None = None
    token_scheme: str | None = None
    """`Bearer`, for servers that want one; None sends the bare token."""
    tls: Tls = Tls()
    connect_timeout: float = 5.0
    read_timeout: float = 30.0
    """Seconds without a byte before an answer counts as lost."""
    secrets: Sequence[str] = field(default=(), repr=False)
    """What else of it must never be shown, where a server repeats it."""
    websocket: bool = True
    """False: never open one; progress comes from polling alone."""

    def __post_init__(self) -> None:
        parts = _split(self.url, self.name)
        if parts.scheme not in {"http", "https"} or not parts.hostname:
            raise ConfigError(
                f"instance {self.name}: the url must be http(s)://host…, "
                f"got {self.shown.rpartition('@')[2]!r}"
            )
        for name, value in self.all_headers().items():
            _check_header(self.name, name, value)

    @property
    def shown(self) -> str:
        """The address without user, password and query: fit for logs and errors."""
        parts = urlsplit(self.url)
        host = parts.netloc.rpartition("@")[2]
        return urlunsplit((parts.scheme, host, parts.path.rstrip("/"), "", ""))

    def without_secrets(self, told: bytes) -> bytes:
        """What a server told, where it repeats what lets us in: without that."""
        token = () if self.token is None else (self.token.get_secret_value(),)
        for secret in (*self.secrets, *token):
            if secret:
                told = told.replace(secret.encode(), b"\xe2\x80\xa6")
        return told

    @property
    def has_secrets_in_url(self) -> bool:
        """Whether foreign error texts, which quote the URL, must not be shown."""
        parts = urlsplit(self.url)
        return bool(parts.query) or "@" in parts.netloc

    def http_url(self, path: str) -> str:
        """The full URL of a path such as `/prompt`."""
        return self._url(path, {}, {"http": "http", "https": "https"})

    def websocket_url(self, client_id: str) -> str:
        """The URL of this client's websocket."""
        return self.socket_url("/ws", {"clientId": client_id})

    def socket_url(self, path: str, query: Mapping[str, str]) -> str:
        """The URL of any websocket of the instance."""
        return self._url(path, query, {"http": "ws", "https": "wss"})

    def _url(
        self, path: str, extra: Mapping[str, str], schemes: Mapping[str, str]
    ) -> str:
        parts = urlsplit(self.url)
        if not path and not extra and parts.scheme in schemes.values():
            return self.url  # as it stands: a signature may be in it
        query = [*parse_qsl(parts.query, keep_blank_values=True), *extra.items()]
        whole = parts.path.rstrip("/") + path
        scheme = schemes[parts.scheme]
        return urlunsplit((scheme, parts.netloc, whole, urlencode(query), ""))

    def all_headers(self) -> dict[str, str]:
        """The configured headers and the token's."""
        headers = dict(self.headers)
        if self.token is not None:
            token = self.token.get_secret_value()
            scheme = self.token_scheme
            headers["Authorization"] = f"{scheme} {token}" if scheme else token
        return headers


def _split(url: str, name: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        parts.port  # noqa: B018  (reading it is what checks it)
    except ValueError:  # its text quotes the url, and perhaps a password in it
        raise ConfigError(
            f"instance {name}: the url is not one: its host or port is malformed"
        ) from None
    return parts


def _check_header(instance: str, name: str, value: str) -> None:
    if not _HEADER_NAME.fullmatch(name):
        raise ConfigError(f"instance {instance}: {name!r} is not a header name")
    if value != value.strip() or any(ord(c) < 32 or ord(c) > 255 for c in value):
        raise ConfigError(
            f"instance {instance}: header {name} has blanks at its ends, line breaks "
            "or characters that HTTP cannot carry",
            hint="a token read from a file often ends with a line break",
        )
