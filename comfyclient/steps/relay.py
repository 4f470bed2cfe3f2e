"""Brings the results of hosted models home: at once, for they are there for a day.

They lie in buckets of a region that is not known before, under signed addresses. An
address is believed only where its host is one of the known ones, over https, and leads
to a picture without a detour; it is asked for as it stands, and written down nowhere.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from ..errors import (
    AccessDeniedError,
    ConfigError,
    ModelTaskError,
    OutputDamagedError,
    RedirectError,
    RefusedError,
    RelayError,
)
from ..templating.uploads import SUBFOLDER, image_suffix
from ..timing import SYSTEM_CLOCK, Clock, Deadline
from ..transports.bodies import Stream
from ..transports.endpoint import Endpoint
from ..transports.http import ComfyHttp
from ..workflow import InputFile

MAX_BYTES = 50 << 20
"""Of one result; a picture of 1440*1440 has about 4 MB."""
_ABANDONED_S = 86_400
_LOOPBACK = {"127.0.0.1", "localhost", "::1"}
_NAME = re.compile(r"[0-9a-f]{64}\.(png|jpg|webp)")


@dataclass(frozen=True, slots=True)
class Relayed:
    """A result that is home."""

    path: Path
    sha256: str
    size: int

    def input_file(self) -> InputFile:
        """The file as an input of a graph; its name tells its content."""
        name = f"{SUBFOLDER}/{self.sha256[:32]}{self.path.suffix}"
        return InputFile(name, self.sha256, self.size, self.path)


class Relay:
    """Fetches results into one folder, under names of their content."""

    def __init__(
        self, folder: Path, *, hosts: Sequence[str], clock: Clock = SYSTEM_CLOCK
    ) -> None:
        self._folder = folder
        self._hosts = tuple(_pattern(host) for host in hosts)
        self._clock = clock

    def find(self, name: str) -> Relayed | None:
        """A result that came home before, where its bytes are still the same."""
        path = self._folder / name
        if not _NAME.fullmatch(name):
            return None
        try:
            with path.open("rb") as file:
                digest = hashlib.file_digest(file, "sha256").hexdigest()
            size = path.stat().st_size
        except OSError:
            return None
        return Relayed(path, digest, size) if name.startswith(digest) else None

    def fetch(self, url: str, *, deadline: Deadline) -> Relayed:
        """Bring one result home.

        Raises:
            RelayError: the address is not one that is fetched, or it is no picture.
            ModelTaskError: the result has expired.
            OutputDamagedError, TransportError: it did not arrive; try again.
        """
        endpoint = Endpoint(name="dashscope results", url=self._checked(url))
        http = ComfyHttp(endpoint, clock=self._clock)
        try:
            with http.stream("", deadline=deadline, params={}, what="a result") as got:
                if not isinstance(got, Stream):
                    raise _expired()
                return self._saved(got)
        except AccessDeniedError as error:
            if "expired" in error.message.lower():
                raise _expired() from None
            raise RelayError(
                "the address of a result was refused by its storage",
                hint="a proxy that changes addresses breaks their signature",
            ) from None
        except (RedirectError, RefusedError) as error:
            raise RelayError(
                f"a result was not at its address: status {error.status}",
                hint="results are asked for where they are said to be, nowhere else",
            ) from None
        finally:
            http.close()

    def _checked(self, url: str) -> str:
        """The address, over https.

        Raises:
            RelayError: it is not one that is fetched; says of it only the host.
        """
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            raise RelayError("the address of a result is none") from None
        host = (parts.hostname or "").lower()
        named = host if port is None else f"{host}:{port}"
        plain = url.isascii() and url.isprintable() and " " not in url
        known = any(pattern.fullmatch(named) for pattern in self._hosts)
        fits = parts.scheme in {"http", "https"} and "@" not in parts.netloc
        if not (known and fits and plain):
            raise RelayError(
                f"a result's address leads to {_shown(host)}: not a known host",
                hint="results are fetched only from dashscope.result_hosts",
            )
        return url if parts.scheme == "https" else _over_https(url, parts, host)

    def _saved(self, stream: Stream) -> Relayed:
        announced = stream.size
        if announced is not None and announced > MAX_BYTES:
            raise RelayError(f"a result has {announced} bytes; {MAX_BYTES} are taken")
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._sweep()
        partial = self._folder / f".{secrets.token_hex(8)}.part"
        try:
            return self._written(stream, partial, announced)
        except OSError as error:
            raise ConfigError(
                f"results cannot be kept in {self._folder}: {error.strerror}"
            ) from error
        finally:
            with suppress(OSError):
                partial.unlink()

    def _sweep(self) -> None:
        """Remove what processes that died had begun to write."""
        before = self._clock.now().timestamp() - _ABANDONED_S
        for partial in self._folder.glob(".*.part"):
            with suppress(OSError):
                if partial.stat().st_mtime < before:
                    partial.unlink()

    def _written(self, stream: Stream, partial: Path, announced: int | None) -> Relayed:
        digest, size, head = hashlib.sha256(), 0, b""
        with partial.open("xb") as file:
            for piece in stream.chunks():
                size += len(piece)
                if size > MAX_BYTES:
                    raise RelayError(f"a result has more than {MAX_BYTES} bytes")
                head = head if len(head) >= 12 else head + piece[:12]
                digest.update(piece)
                file.write(piece)
        if announced is not None and size != announced:
            raise OutputDamagedError(
                f"a result: {size} bytes arrived, {announced} were announced"
            )
        suffix = image_suffix(head)
        if suffix is None:
            raise RelayError("a result is no PNG, JPEG or WebP")
        path = self._folder / f"{digest.hexdigest()}{suffix}"
        partial.replace(path)
        return Relayed(path, digest.hexdigest(), size)


def _expired() -> ModelTaskError:
    return ModelTaskError(
        "the picture is not there any more: results are kept for 24 hours",
        hint="order it again",
    )


def _over_https(url: str, parts: SplitResult, host: str) -> str:
    """The signature holds for both; only this machine itself is asked in the clear."""
    return url if host in _LOOPBACK else url.replace(f"{parts.scheme}:", "https:", 1)


def _pattern(host: str) -> re.Pattern[str]:
    """A host in which `*` stands for a part of a name, never for a dot."""
    parts = (re.escape(part) for part in host.lower().split("*"))
    port = "" if re.search(r":\d+$", host) else r"(:443)?"
    return re.compile("[a-z0-9-]*".join(parts) + port)


def _shown(host: str) -> str:
    return repr(host[:80]) if host.isascii() and host.isprintable() else "a strange one"
