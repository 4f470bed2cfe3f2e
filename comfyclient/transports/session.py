"""The requests session of one endpoint: its pool, proxies, certificates and headers."""

from __future__ import annotations

import logging
import os
import re
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from requests.cookies import extract_cookies_to_jar
from requests.structures import CaseInsensitiveDict

from .connections import keep_watched
from .endpoint import Endpoint

_PLAIN = re.compile(
    r"https?://[a-z0-9][a-z0-9.-]*(:[1-9][0-9]*)?(/[A-Za-z0-9_~-][A-Za-z0-9_.~-]*)+"
)
"""An address that requests would neither change nor refuse."""
JSON = {"Content-Type": "application/json"}


class Session(requests.Session):
    """A session that does not look where a redirect leads.

    requests follows none when told so, but still reads the whole body of one, and
    stumbles over an address that is not one.
    """

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Nowhere."""

    def ask(
        self, method: str, url: str, *, timeout: tuple[float, float], **arguments: Any
    ) -> requests.Response:
        """The head of the answer to a request.

        What requests does to be ready for any of them takes longer than the exchange
        itself; most of ours need none of it.
        """
        body, headers = arguments.get("data"), arguments.get("headers")
        if (
            not any(arguments.get(name) for name in ("params", "files"))
            and not self.cookies
            and (headers is None or headers == JSON)
            and (not body if method == "GET" else method == "POST" and _is_whole(body))
            and _PLAIN.fullmatch(url)
        ):
            return self._ask_plainly(method, url, body, headers or {}, timeout)
        return self.request(
            method,
            url,
            timeout=timeout,
            allow_redirects=False,  # one could carry the token elsewhere
            stream=True,
            **arguments,
        )

    def _ask_plainly(
        self,
        method: str,
        url: str,
        body: bytes | None,
        headers: dict[str, str],
        timeout: tuple[float, float],
    ) -> requests.Response:
        request = requests.PreparedRequest()
        request.method, request.url, request.body = method, url, body or None
        request.headers = CaseInsensitiveDict(
            {**self.headers, **headers}  # type: ignore[arg-type]  # none is of bytes
        )
        if body:
            request.headers["Content-Length"] = str(len(body))
        response = self.get_adapter(url).send(
            request,
            stream=True,
            timeout=timeout,
            verify=True if self.verify is None else self.verify,
            cert=self.cert,
            proxies=self.proxies,
        )
        if "Set-Cookie" in response.headers:
            extract_cookies_to_jar(  # type: ignore[no-untyped-call]
                self.cookies, request, response.raw
            )
        return response


def _is_whole(body: object) -> bool:
    return isinstance(body, bytes) and bool(body)


class _Adapter(HTTPAdapter):
    """An adapter whose connections are watched, straight ones and through a proxy."""

    def init_poolmanager(self, *sizes: Any, **options: Any) -> None:
        super().init_poolmanager(*sizes, **options)
        keep_watched(self.poolmanager)

    def proxy_manager_for(self, proxy: str, **options: Any) -> Any:
        known = proxy in self.proxy_manager
        manager = super().proxy_manager_for(proxy, **options)
        if not known:
            keep_watched(manager)
        return manager


def new_session(endpoint: Endpoint) -> Session:
    """A session that shows this endpoint's headers, and nobody else's password."""
    session = Session()
    adapter = _Adapter(pool_connections=2, pool_maxsize=16, max_retries=0)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    # Proxies and CA bundles of the environment are read once, here; netrc is not:
    # its password would replace the instance's own token.
    url = endpoint.http_url("/")
    session.proxies.update(requests.utils.get_environ_proxies(url, no_proxy=None))
    session.verify = _verify(endpoint)
    if endpoint.tls.cert_file is not None:
        key = endpoint.tls.key_file
        session.cert = (
            endpoint.tls.cert_file if key is None else (endpoint.tls.cert_file, key)
        )
    session.trust_env = False
    if endpoint.has_secrets_in_url:
        logging.getLogger("urllib3.connectionpool").addFilter(_without_query)
    session.headers.update(endpoint.all_headers())
    return session


def _without_query(record: logging.LogRecord) -> bool:
    """Cut queries, which may hold a token, out of what urllib3 logs of a request."""
    if isinstance(record.args, tuple):
        record.args = tuple(
            arg.partition("?")[0] if isinstance(arg, str) else arg
            for arg in record.args
        )
    return True


def _verify(endpoint: Endpoint) -> bool | str:
    if not endpoint.tls.verify:
        return False
    bundle = endpoint.tls.ca_file
    if bundle is None:
        bundle = os.environ.get("REQUESTS_CA_BUNDLE") or os.environ.get("SSL_CERT_FILE")
    return bundle if bundle is not None else True
