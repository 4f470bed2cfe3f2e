"""The HTTP application: routes under / and /api, and what guards them."""

from __future__ import annotations

import ipaddress
import logging
from collections.abc import Awaitable, Callable
from typing import Any
from urllib.parse import urlsplit

from aiohttp import web

from .parts import Parts
from .routes_files import FileRoutes
from .routes_info import InfoRoutes, assets_off, nothing_here, root_page
from .routes_jobs import JobRoutes
from .routes_prompt import PromptRoutes

_LOGGER = logging.getLogger("comfyclient.local")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def build_app(parts: Parts) -> web.Application:
    """The application over an engine's parts."""
    app = web.Application(
        client_max_size=parts.options.max_body_bytes, middlewares=[_guard(parts)]
    )

    async def websocket(request: web.Request) -> web.StreamResponse:
        return await parts.hub.serve(request, queue_status=parts.queue_status())

    routes: list[web.RouteDef] = [
        web.get("/ws", websocket, allow_head=False),
        *PromptRoutes(parts).table(),
        *FileRoutes(parts).table(),
        *InfoRoutes(parts).table(),
    ]
    prefixed = [
        web.RouteDef(each.method, f"/api{each.path}", each.handler, each.kwargs)
        for each in routes
    ]
    app.router.add_routes([*routes, *prefixed])
    app.router.add_routes(JobRoutes(parts).table())
    if parts.behaviour.assets_named:
        for path in ("/api/assets", "/api/assets/{path:.*}"):
            app.router.add_route("*", path, assets_off)
    app.router.add_get("/", root_page)
    app.router.add_get("/{path:.*}", nothing_here)
    return app


def _guard(parts: Parts) -> Any:
    """The checks that every request passes, the websocket's handshake too."""

    @web.middleware
    async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
        cors = parts.options.cors_origin
        if cors is None and _is_foreign(request, parts):
            return web.Response(status=403)
        if request.method == "OPTIONS":
            response: web.StreamResponse = web.Response()
        else:
            response = await handler(request)
        if cors is not None and not response.prepared:
            response.headers.update(
                {
                    "Access-Control-Allow-Origin": cors,
                    "Access-Control-Allow-Methods": "POST, GET, DELETE, PUT, "
                    "OPTIONS, PATCH",
                    "Access-Control-Allow-Headers": "Content-Type, Authorization",
                    "Access-Control-Allow-Credentials": "true",
                }
            )
        return response

    return guard


def _is_foreign(request: web.Request, parts: Parts) -> bool:
    """Whether a browser sends this from another site."""
    headers = request.headers
    if parts.behaviour.cross_site_refused and (
        headers.get("Sec-Fetch-Site") == "cross-site"
    ):
        return True
    host, origin = headers.get("Host", "").lower(), headers.get("Origin")
    if not host or origin is None:
        return False
    try:
        own, asking = urlsplit(f"//{host}"), urlsplit(origin)
        own_name, asking_port = own.hostname or "", asking.port
    except ValueError:
        return True  # an address that cannot be read is not this server's
    if not _is_loopback(own_name) or not asking.netloc:
        return False
    # An Origin without a port is compared by name alone.
    return asking.netloc.lower() != (host if asking_port is not None else own_name)


def _is_loopback(name: str) -> bool:
    if name == "localhost":
        return True
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False
