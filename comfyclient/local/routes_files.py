"""Routes of files: upload pictures and masks, view what is in the folders."""

from __future__ import annotations

import asyncio
import json
import mimetypes
import os
from io import BytesIO
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.web_request import FileField
from PIL import Image

from .folders import KINDS, OutsideFolderError, within
from .parts import Parts

_ACTIVE_TYPES = {
    "text/html",
    "text/html-sandboxed",
    "application/xhtml+xml",
    "text/javascript",
    "application/javascript",
    "text/css",
}
_ACTIVE_SINCE_SNIFFING_OFF = {"image/svg+xml", "text/xml", "application/xml"}


class FileRoutes:
    """Files in and out."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._folders = parts.folders

    def table(self) -> list[web.RouteDef]:
        """The routes, without prefix."""
        return [
            web.post("/upload/image", self.upload_image),
            web.post("/upload/mask", self.upload_mask),
            web.get("/view", self.view),
        ]

    async def upload_image(self, request: web.Request) -> web.Response:
        """POST /upload/image."""
        return await self._upload(await request.post(), mask=False)

    async def upload_mask(self, request: web.Request) -> web.Response:
        """POST /upload/mask: gives a picture of ours the uploaded alpha band."""
        return await self._upload(await request.post(), mask=True)

    async def _upload(self, form: Any, *, mask: bool) -> web.Response:
        upload = form.get("image")
        kind = form.get("type", "input")
        root = self._folders.of_kind(kind)
        if not upload:
            return web.Response(status=400)
        # What the server does not expect ends in 500: it raises here too.
        if root is None or not isinstance(upload, FileField) or not upload.filename:
            raise ValueError(f"upload of type {kind!r} without a file or folder")
        subfolder = form.get("subfolder", "")
        overwrite = form.get("overwrite") in ("true", "1")
        try:
            folder = within(root, os.path.normpath(subfolder))
            target = within(root, str(folder / upload.filename))
        except OutsideFolderError:
            return web.Response(status=400)
        with upload.file:
            content = upload.file.read()
        folder.mkdir(parents=True, exist_ok=True)
        if not mask:
            target = _written(target, content, overwrite=overwrite)
        else:
            reference = json.loads(form["original_ref"])
            target = target if overwrite else _free_name(target)
            await asyncio.to_thread(
                self._write_masked, reference, content, target=target
            )
        name = os.path.relpath(target, folder).replace(os.sep, "/")
        return web.json_response({"name": name, "subfolder": subfolder, "type": kind})

    def _write_masked(
        self, reference: dict[str, Any], content: bytes, *, target: Path
    ) -> None:
        root = self._folders.of_kind(reference.get("type", "output"))
        if root is None:
            raise ValueError("original_ref names a type that does not exist")
        name = f"{reference.get('subfolder', '')}/{reference['filename']}"
        original = within(root, name.lstrip("/"))
        if not original.is_file():
            return  # the server answers 200 and writes nothing
        with Image.open(original) as picture, Image.open(BytesIO(content)) as mask:
            masked = picture.convert("RGBA")
            masked.putalpha(mask.getchannel("A"))
            masked.save(target, compress_level=4)

    async def view(self, request: web.Request) -> web.StreamResponse:
        """GET /view."""
        query = request.query
        if "filename" not in query:
            return web.Response(status=404)
        path = self._view_path(query)
        if isinstance(path, web.Response):
            return path
        if not path.is_file():
            return web.Response(status=404)
        channel = query.get("channel", "rgba")
        if "preview" in query:
            asked = query.get("channel", "")
            return await asyncio.to_thread(
                _preview, path, query["preview"], channel=asked
            )
        if channel in ("rgb", "a"):
            return await asyncio.to_thread(_channel, path, channel)
        return self._plain(request, path)

    def _view_path(self, query: Any) -> Path | web.Response:
        name, root = self._folders.of_annotated(query["filename"])
        if not name and not self._parts.behaviour.empty_view_name_refused:
            raise ValueError("GET /view with an empty file name")
        if not name or name[0] == "/" or ".." in name:
            return web.Response(status=400)
        if root is None:
            kind = query.get("type", "output")
            root = self._folders.of_kind(kind) if kind in KINDS else None
        if root is None:
            return web.Response(status=400)
        try:
            folder = within(root, query.get("subfolder", ""))
            return within(folder, name.rpartition("/")[2])
        except OutsideFolderError:
            return web.Response(status=403)

    def _plain(self, request: web.Request, path: Path) -> web.FileResponse:
        kind = mimetypes.guess_type(path.name)[0] or "application/octet-stream"
        disposition = f'filename="{path.name}"'
        headers = {}
        behaviour = self._parts.behaviour
        active = kind in _ACTIVE_TYPES
        if behaviour.content_sniffing_off:
            headers["X-Content-Type-Options"] = "nosniff"
            active = active or kind in _ACTIVE_SINCE_SNIFFING_OFF
            wants_image = request.headers.get("Sec-Fetch-Dest") == "image"
            if behaviour.inline_svg_images and kind == "image/svg+xml" and wants_image:
                active = False
            if active:
                disposition = f"attachment; {disposition}"
                headers |= {"Vary": "Sec-Fetch-Dest", "Cache-Control": "no-store"}
        headers["Content-Type"] = "application/octet-stream" if active else kind
        headers["Content-Disposition"] = disposition.replace("\n", "").replace("\r", "")
        return web.FileResponse(path, headers=headers)


def _written(target: Path, content: bytes, *, overwrite: bool) -> Path:
    """Store an upload: the same bytes under the same name are not stored twice."""
    if overwrite:
        target.write_bytes(content)
        return target
    candidate, number = target, 1
    while candidate.exists():
        if candidate.is_file() and candidate.read_bytes() == content:
            return candidate
        candidate = target.with_name(f"{target.stem} ({number}){target.suffix}")
        number += 1
    candidate.write_bytes(content)
    return candidate


def _free_name(target: Path) -> Path:
    candidate, number = target, 1
    while candidate.exists():
        candidate = target.with_name(f"{target.stem} ({number}){target.suffix}")
        number += 1
    return candidate


def _preview(path: Path, wanted: str, *, channel: str) -> web.Response:
    parts = wanted.split(";")
    # JPEG has no alpha band, so a client that names one gets WebP.
    with_alpha = "a" in channel
    image_format = "jpeg" if parts[0] == "jpeg" and not with_alpha else "webp"
    quality = int(parts[-1]) if parts[-1].isdigit() else 90
    with Image.open(path) as opened:
        picture: Image.Image = opened
        if image_format == "jpeg" or channel == "rgb":
            picture = opened.convert("RGB")
        return _encoded(path, picture, kind=image_format, quality=quality)


def _channel(path: Path, channel: str) -> web.Response:
    with Image.open(path) as opened:
        if channel == "rgb":
            return _encoded(path, opened.convert("RGB"), kind="png")
        alpha = (
            opened.getchannel("A")
            if "A" in opened.getbands()
            else Image.new("L", opened.size, 255)
        )
        shown = Image.new("RGBA", opened.size)
        shown.putalpha(alpha)
        return _encoded(path, shown, kind="png")


def _encoded(
    path: Path, picture: Image.Image, *, kind: str, **options: Any
) -> web.Response:
    stream = BytesIO()
    picture.save(stream, format=kind, **options)
    return web.Response(
        body=stream.getvalue(),
        content_type=f"image/{kind}",
        headers={"Content-Disposition": f'filename="{path.name}"'},
    )
