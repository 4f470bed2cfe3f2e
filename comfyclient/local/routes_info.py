"""Routes about the server itself: node classes, models, system, front-end stubs."""

from __future__ import annotations

import asyncio
import os
import sys
from typing import Any

from aiohttp import web

from .context import entered
from .folders import KINDS
from .object_info import describe, describe_all
from .parts import Parts

_MODEL_FOLDERS = (
    "checkpoints",
    "configs",
    "loras",
    "vae",
    "text_encoders",
    "diffusion_models",
    "clip_vision",
    "style_models",
    "embeddings",
    "diffusers",
    "vae_approx",
    "controlnet",
    "gligen",
    "upscale_models",
    "custom_nodes",
    "hypernetworks",
    "photomaker",
    "classifiers",
    "model_patches",
    "audio_encoders",
)
_ROOT_PAGE = (
    "<!doctype html><title>comfyclient</title><p>An embedded engine that speaks "
    "ComfyUI's protocol. It has no front end; send graphs to POST /prompt."
)


class InfoRoutes:
    """What a client asks before it submits."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts

    def table(self) -> list[web.RouteDef]:
        """The routes, without prefix."""
        routes = [
            web.get("/object_info", self.object_info),
            web.get("/object_info/{name}", self.one_object_info),
            web.get("/system_stats", self.system_stats),
            web.get("/models", self.models),
            web.get("/models/{folder}", self.model_files),
            web.get("/view_metadata/{folder}", self.view_metadata),
            web.get("/embeddings", self.embeddings),
            web.get("/extensions", self.extensions),
            web.get("/users", self.users),
        ]
        if self._parts.behaviour.file_listings:
            routes.append(web.get("/internal/files/{kind}", self.listed_files))
        if self._parts.behaviour.feature_flags:
            routes.append(web.get("/features", self.features))
        return routes

    async def object_info(self, request: web.Request) -> web.Response:
        """GET /object_info."""
        with entered(self._parts.surroundings()):
            described = await asyncio.to_thread(
                describe_all, self._parts.nodes, behaviour=self._parts.behaviour
            )
        return web.json_response(described)

    async def one_object_info(self, request: web.Request) -> web.Response:
        """GET /object_info/{class}; unknown classes give `{}`."""
        entry = self._parts.nodes.entry(request.match_info["name"])
        if entry is None:
            return web.json_response({})
        with entered(self._parts.surroundings()):
            described = describe(entry, behaviour=self._parts.behaviour)
        return web.json_response({entry.name: described})

    async def features(self, request: web.Request) -> web.Response:
        """GET /features."""
        return web.json_response(self._parts.features)

    async def system_stats(self, request: web.Request) -> web.Response:
        """GET /system_stats."""
        total, free = _memory()
        device = {
            "name": "cpu",
            "type": "cpu",
            "index": None,
            "vram_total": total,
            "vram_free": free,
            "torch_vram_total": total,
            "torch_vram_free": free,
        }
        return web.json_response(
            {"system": self._system(total, free), "devices": [device]}
        )

    def _system(self, total: int, free: int) -> dict[str, Any]:
        behaviour = self._parts.behaviour
        system: dict[str, Any] = {
            "os": sys.platform if behaviour.platform_name else os.name,
            "ram_total": total,
            "ram_free": free,
            "comfyui_version": behaviour.version,
        }
        if behaviour.frontend_version:
            system["required_frontend_version"] = None
        if behaviour.templates_version:
            system |= {
                "installed_templates_version": None,
                "required_templates_version": None,
            }
        if behaviour.extended_features:
            system["comfy_package_versions"] = []
        system |= {
            "python_version": sys.version,
            "pytorch_version": "none (embedded engine)",
            "embedded_python": False,
        }
        if behaviour.extended_features:
            system["deploy_environment"] = "comfyclient"
        return system | {"argv": ["comfyclient", "serve"]}

    async def models(self, request: web.Request) -> web.Response:
        """GET /models."""
        return web.json_response(list(_MODEL_FOLDERS))

    async def model_files(self, request: web.Request) -> web.Response:
        """GET /models/{folder}; unknown folders give 404."""
        folder = request.match_info["folder"]
        if folder not in _MODEL_FOLDERS:
            return web.Response(status=404)
        root = self._parts.folders.models / folder
        files = (each for each in root.rglob("*") if each.is_file())
        return web.json_response(sorted(str(each.relative_to(root)) for each in files))

    async def view_metadata(self, request: web.Request) -> web.Response:
        """GET /view_metadata/{folder}: there are no models to tell of."""
        return web.Response(status=404)

    async def embeddings(self, request: web.Request) -> web.Response:
        """GET /embeddings."""
        return web.json_response([])

    async def extensions(self, request: web.Request) -> web.Response:
        """GET /extensions: there is no front end to extend."""
        return web.json_response([])

    async def users(self, request: web.Request) -> web.Response:
        """GET /users: the single user of a server without --multi-user."""
        return web.json_response({"storage": "server", "migrated": False})

    async def listed_files(self, request: web.Request) -> web.Response:
        """GET /internal/files/{kind}: newest first, as the front end lists them."""
        kind = request.match_info["kind"]
        folder = self._parts.folders.of_kind(kind)
        if kind not in KINDS or folder is None:
            return web.json_response({"error": "Invalid directory type"}, status=400)
        files = [each for each in folder.iterdir() if each.is_file()]
        files.sort(key=lambda each: each.stat().st_mtime, reverse=True)
        note = f" [{kind}]" if self._parts.behaviour.annotated_listings else ""
        return web.json_response([f"{each.name}{note}" for each in files])


async def assets_off(request: web.Request) -> web.Response:
    """Any /api/assets: the answer of a server without --enable-assets."""
    error = {
        "code": "SERVICE_DISABLED",
        "message": "Assets system is disabled. Start the server with "
        "--enable-assets to use this feature.",
        "details": {},
    }
    return web.json_response({"error": error}, status=503)


async def root_page(request: web.Request) -> web.Response:
    """GET /: a word to whoever opens it in a browser."""
    return web.Response(text=_ROOT_PAGE, content_type="text/html")


async def nothing_here(request: web.Request) -> web.Response:
    """Any other GET: the empty 404 of the server's static folder."""
    return web.Response(
        status=404, headers={"Content-Type": "application/octet-stream"}
    )


def _memory() -> tuple[int, int]:
    try:
        page = os.sysconf("SC_PAGE_SIZE")
        return page * os.sysconf("SC_PHYS_PAGES"), page * os.sysconf("SC_AVPHYS_PAGES")
    except (AttributeError, ValueError, OSError):
        return 0, 0  # a system that does not tell
