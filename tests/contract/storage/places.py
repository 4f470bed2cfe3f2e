"""A storage of each kind, and its files as the service behind it sees them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Protocol

from comfyclient.files.refs import Lanes
from comfyclient.storage.base import Storage
from comfyclient.storage.mount import MountStorage
from comfyclient.storage.oss import OssStorage
from comfyclient.storage.oss_client import OssClient
from comfyclient.storage.oss_credentials import Keyring, OssCredentials, Source
from comfyclient.storage.view import ViewStorage
from comfyclient.testing import OssServer, ScriptedServer
from comfyclient.timing import SYSTEM_CLOCK, Clock
from comfyclient.transports.comfyui import ComfyUITransport
from comfyclient.transports.endpoint import Endpoint

INSTANCE = "a"


class Place(Protocol):
    """Where a service keeps its files."""

    storage: Storage
    writes: bool
    """Whether any file can be put, listed and deleted."""

    def make(self, path: str, content: bytes) -> None:
        """The service makes a file."""

    def content(self, path: str) -> bytes | None:
        """What the service finds there."""

    def replace(self, path: str, content: bytes) -> None:
        """The service writes a file anew, while somebody reads it."""


class ServerPlace:
    """An instance with its own HTTP."""

    writes = False

    def __init__(self, server: ScriptedServer, storage: Storage) -> None:
        self._server = server
        self.storage = storage

    def make(self, path: str, content: bytes) -> None:
        """A file of the scripted server."""
        self._server.files[_key(path)] = content

    def content(self, path: str) -> bytes | None:
        """The server's file."""
        return self._server.files.get(_key(path))

    replace = make


class FolderPlace:
    """A folder of this machine."""

    writes = True

    def __init__(self, root: Path, storage: Storage) -> None:
        self.root = root
        self.storage = storage

    def make(self, path: str, content: bytes) -> None:
        """A file of the folder."""
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    def content(self, path: str) -> bytes | None:
        """The folder's file."""
        file = self.root / path
        return file.read_bytes() if file.exists() else None

    def replace(self, path: str, content: bytes) -> None:
        """Another file under the name."""
        other = self.root / f"{path}.new"
        other.write_bytes(content)
        other.replace(self.root / path)


def _key(path: str) -> tuple[str, str, str]:
    kind, _, rest = path.partition("/")
    folder, _, name = rest.rpartition("/")
    return kind, folder, name


@contextmanager
def view(folder: Path) -> Iterator[Place]:
    """The storage `view`."""
    with ScriptedServer() as server:
        transport = ComfyUITransport(Endpoint(name=INSTANCE, url=server.url))
        yield ServerPlace(server, ViewStorage([transport]))
        transport.close()


@contextmanager
def mount(folder: Path) -> Iterator[Place]:
    """The storage `mount`."""
    yield FolderPlace(folder, MountStorage(folder, visible_s=0))


class BucketPlace(FolderPlace):
    """A bucket, mounted as a folder by the service."""


@contextmanager
def oss(folder: Path) -> Iterator[Place]:
    """The storage `oss`, on the stand-in."""
    with OssServer(folder.parent / "buckets") as server:
        storage = storage_of(server, "comfyui/test/")
        yield BucketPlace(server.path("nev-aigc", "comfyui/test"), storage)
        storage.close()


def storage_of(
    server: OssServer,
    prefix: str = "",
    *,
    source: Source | None = None,
    visible_s: float = 0,
    clock: Clock = SYSTEM_CLOCK,
    **lanes: Lanes,
) -> OssStorage:
    """A storage on the stand-in."""
    key = server.key

    def usual() -> OssCredentials:
        return OssCredentials(key.id, key.secret, key.token, key.expires)

    client = OssClient(
        "nev-aigc",
        endpoint=server.endpoint,
        region=server.region,
        keyring=Keyring(usual if source is None else source, clock=clock),
        clock=clock,
    )
    return OssStorage(client, prefix=prefix, visible_s=visible_s, **lanes)


PLACES = {"view": view, "mount": mount, "oss": oss}
