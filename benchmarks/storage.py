"""What it takes to bring a large object home from OSS, and to send one there.

How to run: `python -m benchmarks.storage` (400 MB, about a minute); `--mb 50` for less.
The table of all benchmarks shows one of its rows, where nothing goes wrong.
Each row is a process of its own, so that its peak memory is its own; the stand-in for
OSS is another one.
"""

from __future__ import annotations

import argparse
import hashlib
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from multiprocessing.connection import Connection
from pathlib import Path
from statistics import median
from typing import Any

import oss2

from benchmarks.memory import peak_mb
from comfyclient.errors import ComfyClientError
from comfyclient.files.outputs import Output
from comfyclient.files.refs import OutputRef
from comfyclient.storage.oss import OssStorage
from comfyclient.storage.oss_client import OssClient
from comfyclient.storage.oss_credentials import Keyring, OssCredentials
from comfyclient.testing import OssFault, OssServer
from comfyclient.timing import Deadline

BUCKET, KEY, SEED_BYTES = "nev-aigc", "bench/output/large.bin", 1 << 20
SIZE = 400_000_000
REF = OutputRef("1", "images", "large.bin")


@dataclass(frozen=True, slots=True)
class Row:
    """What one way took."""

    way: str
    seconds: float
    peak_mb: float
    """How much the process grew meanwhile."""
    requests: int
    sound: str
    """Whether what is there is right, or what is there instead."""


def made(file: Path, size: int) -> str:
    """A file of this size that is not compressible; its SHA-256."""
    file.parent.mkdir(parents=True, exist_ok=True)
    digest, left = hashlib.sha256(), size
    block = hashlib.shake_256(b"bench").digest(SEED_BYTES)
    with file.open("wb") as target:
        while left:
            piece = block[: min(left, SEED_BYTES)]
            target.write(piece)
            digest.update(piece)
            left -= len(piece)
    return digest.hexdigest()


def sha256_of(file: Path) -> str:
    """The digest of a file; empty where there is none."""
    if not file.exists():
        return ""
    with file.open("rb") as content:
        return hashlib.file_digest(content, "sha256").hexdigest()


@contextmanager
def storage_at(endpoint: str, key_id: str, secret: str) -> Iterator[OssStorage]:
    """Our storage."""
    keyring = Keyring(lambda: OssCredentials(key_id, secret))
    client = OssClient(BUCKET, endpoint=endpoint, region="cn-shanghai", keyring=keyring)
    storage = OssStorage(client, prefix="bench", visible_s=0)
    yield storage
    storage.close()


def plain(endpoint: str, key_id: str, secret: str, target: Path) -> None:
    """As oss2 itself does it, its checksum included."""
    auth = oss2.AuthV4(key_id, secret)
    bucket = oss2.Bucket(auth, endpoint, BUCKET, region="cn-shanghai")
    try:
        bucket.get_object_to_file(KEY, str(target))
    except oss2.exceptions.OssError as error:
        sys.stderr.write(f"oss2: {type(error).__name__}\n")


def ours(endpoint: str, key_id: str, secret: str, target: Path) -> None:
    """As `Output.save` does it."""
    with storage_at(endpoint, key_id, secret) as storage:
        output = Output(REF, partial(storage.open, instance=None))
        try:
            output.save(target)
        except ComfyClientError as error:
            sys.stderr.write(f"comfyclient: {error.message}\n")


def sending(endpoint: str, key_id: str, secret: str, target: Path) -> None:
    """As `Storage.put` does it; the file that is sent stands beside the target."""
    with storage_at(endpoint, key_id, secret) as storage:
        storage.put("models/sent.bin", target.with_name("source.bin"), Deadline(600))


Way = Callable[[str, str, str, Path], None]


def ways(size: int) -> Iterator[tuple[str, Way, OssFault | None]]:
    """Every row: its words, what is done, and what goes wrong."""
    yield "oss2 plain", plain, None
    yield "comfyclient", ours, None
    for percent in (10, 50, 99):
        at = size * percent // 100
        cut = OssFault(cuts_at=at, times=2)  # the first answer is left before it
        yield f"comfyclient, broken off at {percent} %", ours, cut
    flip = OssFault(flips=size // 2, times=2)
    yield "comfyclient, a byte flipped", ours, flip
    yield "comfyclient, ends missing", ours, OssFault(shortens=1000, times=3)
    yield "oss2 plain, a byte flipped", plain, OssFault(flips=size // 2)
    yield "comfyclient, sent in parts", sending, None


def serve(root: Path, fault: OssFault | None, pipe: Connection) -> None:
    """The stand-in, until it is told to end; then how often it was asked."""
    with OssServer(root) as server:
        if fault is not None:
            server.fail("GetObject", fault)
        server.store.facts(server.path(BUCKET, KEY))  # its checksum, ahead of time
        pipe.send((server.endpoint, server.key.id, server.key.secret))
        pipe.recv()
        pipe.send(len(server.requests))


def worked(way: Way, place: tuple[str, str, str], target: Path, pipe: Any) -> None:
    """One way, and what it took."""
    before = peak_mb()
    begun = time.perf_counter()
    way(*place, target)
    spent = time.perf_counter() - begun
    pipe.send((spent, peak_mb() - before))


def measure(runs: int) -> list[tuple[str, ...]]:
    """Rows of the table of all benchmarks."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        right = stored(folder, SIZE)
        rows = [timed(folder, right, ("", ours, None)) for _ in range(runs)]
    right_ones = sum(row.sound == "right" for row in rows)
    grown = median(row.peak_mb for row in rows)
    return [
        ("400 MB output from OSS, peak memory", f"+{grown:.1f} MB", "≤ 4 MB"),
        ("… arrived right", f"{right_ones} of {runs}", f"{runs} of {runs}"),
    ]


def stored(folder: Path, size: int) -> str:
    """The object in its bucket; its SHA-256."""
    return made(folder / "buckets" / BUCKET / KEY, size)


def timed(folder: Path, right: str, row: tuple[str, Way, OssFault | None]) -> Row:
    """One way, in a process of its own."""
    words, way, fault = row
    spawn = multiprocessing.get_context("spawn")
    root, target = folder / "buckets", folder / "home.bin"
    ours_, theirs = spawn.Pipe()
    server = spawn.Process(target=serve, args=(root, fault, theirs))
    server.start()
    place = ours_.recv()
    told, telling = spawn.Pipe()
    worker = spawn.Process(target=worked, args=(way, place, target, telling))
    worker.start()
    spent, grown = told.recv()
    worker.join()
    ours_.send("end")
    requests = ours_.recv()
    server.join()
    arrived = root / BUCKET / "bench/models/sent.bin" if way is sending else target
    sound = soundness(arrived, right)
    target.unlink(missing_ok=True)
    return Row(words, spent, grown, requests, sound)


def soundness(file: Path, right: str) -> str:
    """What is there in the end."""
    found = sha256_of(file)
    return "right" if found == right else ("WRONG FILE" if found else "no file")


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mb", type=int, default=400, help="the object's size")
    size = parser.parse_args().mb * 1_000_000
    print(f"{'way':<38} {'s':>6} {'MB/s':>6} {'peak MB':>8} {'asked':>6}  file")
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        right = stored(folder, size)
        made(folder / "source.bin", size)
        for each in ways(size):
            row = timed(folder, right, each)
            speed = size / 1e6 / row.seconds
            print(
                f"{row.way:<38} {row.seconds:>6.2f} {speed:>6.0f} "
                f"{row.peak_mb:>8.0f} {row.requests:>6}  {row.sound}",
                flush=True,
            )


if __name__ == "__main__":
    main()
