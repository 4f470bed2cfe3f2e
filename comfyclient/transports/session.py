"""The requests session of one endpoint: its pool, proxies, certificates and headers."""

from __future__ import annotations

import logging
import os
from typing import Any

import requests
from requests.adapters import HTTPAdapter

from .connections import keep_watched
from .endpoint import Endpoint


class _Session(requests.Session):
    """A session that does not look where a redirect leads.

    requests follows none when told so, but still reads the whole body of one, and
    stumbles over an address that is not one.
    """

    def get_redirect_target(self, resp: requests.Response) -> None:
        """Nowhere."""


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


def new_session(endpoint: Endpoint) -> requests.Session:
    """A session that shows this endpoint's headers, and nobody else's password."""
    session = _Session()
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
