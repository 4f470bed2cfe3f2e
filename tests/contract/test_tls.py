"""TLS, on HTTP and on the websocket: a private authority, a client certificate."""

from __future__ import annotations

import asyncio
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import urlsplit
from uuid import uuid4

import pytest
import trustme
from pydantic import SecretStr

from comfyclient.errors import UnreachableError
from comfyclient.events import NodeStarted
from comfyclient.jobs.course import Course
from comfyclient.local.engine import EmbeddedEngine
from comfyclient.testing import EasGateway
from comfyclient.testing.eas_inference import instant
from comfyclient.timing import Deadline
from comfyclient.transports.base import Attempt
from comfyclient.transports.comfyui import ComfyUITransport
from comfyclient.transports.eas_options import QueueOptions
from comfyclient.transports.eas_queue import EasQueueTransport
from comfyclient.transports.endpoint import Endpoint, Tls
from comfyclient.workflow import Workflow

GRAPH = {
    "1": {
        "class_type": "EmptyImage",
        "inputs": {"width": 16, "height": 16, "batch_size": 1, "color": 7},
    },
    "2": {
        "class_type": "SaveImage",
        "inputs": {"images": ["1", 0], "filename_prefix": "tls"},
    },
}


class TlsGate:
    """Ends TLS in front of a plain server, as a reverse proxy does."""

    def __init__(self, target: str, context: ssl.SSLContext) -> None:
        self._target = urlsplit(target)
        self._context = context
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self.url = ""

    def _run(self) -> None:
        self._loop.run_until_complete(self._serve())
        self._loop.close()

    async def _serve(self) -> None:
        self._stop = asyncio.Event()
        server = await asyncio.start_server(
            self._pass, "127.0.0.1", 0, ssl=self._context
        )
        self.url = f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        self._ready.set()
        await self._stop.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _pass(
        self, inward: asyncio.StreamReader, outward: asyncio.StreamWriter
    ) -> None:
        with suppress(OSError, asyncio.CancelledError):
            reader, writer = await asyncio.open_connection(
                self._target.hostname, self._target.port
            )
            await asyncio.gather(_pump(inward, writer), _pump(reader, outward))

    def __enter__(self) -> TlsGate:
        self._thread.start()
        self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while chunk := await reader.read(65536):
            writer.write(chunk)
            await writer.drain()
    finally:
        writer.close()


@contextmanager
def gate(context: ssl.SSLContext) -> Iterator[str]:
    """An engine behind TLS; its https URL."""
    with EmbeddedEngine() as engine, TlsGate(engine.url, context) as opened:
        yield opened.url


@contextmanager
def transport(url: str, tls: Tls) -> Iterator[ComfyUITransport]:
    """A transport to an https URL."""
    opened = ComfyUITransport(Endpoint(name="tls", url=url, tls=tls))
    try:
        yield opened
    finally:
        opened.close()


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """A certificate authority that no system trusts."""
    return trustme.CA()


@pytest.fixture
def server_side(authority: trustme.CA) -> ssl.SSLContext:
    """What the server shows."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1").configure_cert(context)
    return context


def pem(blob: trustme.Blob, path: Path) -> str:
    """A certificate or key as a file; its name."""
    blob.write_to_path(str(path))
    return str(path)


def run(opened: ComfyUITransport | EasQueueTransport) -> Course:
    """One small job, to its end."""
    workflow = Workflow.from_graph(GRAPH)
    course = Course(str(uuid4()), workflow, total_s=20, queue_s=20, silence_s=20)
    opened.submit(Attempt(str(uuid4()), workflow), course, deadline=Deadline(10))
    course.await_end(Deadline(20))
    return course


def heard_nodes(course: Course) -> bool:
    """Whether the websocket worked: only it tells which node runs."""
    index = 0
    while (found := course.event_after(index, Deadline(1))) is not None:
        index, event = found
        if isinstance(event, NodeStarted):
            return True
    return False


def test_a_private_authority_is_trusted_where_it_is_named(
    authority: trustme.CA, server_side: ssl.SSLContext, tmp_path: Path
) -> None:
    """HTTP and websocket both check against `ca_file`, and both work."""
    ca_file = pem(authority.cert_pem, tmp_path / "ca.pem")

    with gate(server_side) as url, transport(url, Tls(ca_file=ca_file)) as opened:
        course = run(opened)

    assert course.verdict is not None
    assert course.verdict.error is None
    assert heard_nodes(course)


def test_an_unknown_authority_is_refused(server_side: ssl.SSLContext) -> None:
    """Without `ca_file` nothing is sent to the server."""
    with (
        gate(server_side) as url,
        transport(url, Tls()) as opened,
        pytest.raises(UnreachableError, match=r"(?i)certificate|tls|ssl"),
    ):
        run(opened)


@pytest.mark.filterwarnings("ignore:Unverified HTTPS request")  # urllib3's own advice
def test_checking_can_be_switched_off(server_side: ssl.SSLContext) -> None:
    """`verify = false` reaches the websocket too."""
    with gate(server_side) as url, transport(url, Tls(verify=False)) as opened:
        course = run(opened)

    assert heard_nodes(course)


def test_a_client_certificate_is_shown(
    authority: trustme.CA, server_side: ssl.SSLContext, tmp_path: Path
) -> None:
    """A server that asks for one gets it, on HTTP and on the websocket."""
    server_side.verify_mode = ssl.CERT_REQUIRED
    authority.configure_trust(server_side)
    own = authority.issue_cert("client@example.org")
    tls = Tls(
        ca_file=pem(authority.cert_pem, tmp_path / "ca.pem"),
        cert_file=pem(own.cert_chain_pems[0], tmp_path / "own.pem"),
        key_file=pem(own.private_key_pem, tmp_path / "own.key"),
    )

    with gate(server_side) as url, transport(url, tls) as opened:
        course = run(opened)

    assert heard_nodes(course)


def test_a_queue_behind_tls(
    authority: trustme.CA, server_side: ssl.SSLContext, tmp_path: Path
) -> None:
    """An API edition is spoken to over https, and its results are watched over wss."""
    ca_file = pem(authority.cert_pem, tmp_path / "ca.pem")
    with (
        EasGateway(edition="api", token="secret", inference=instant) as gateway,
        TlsGate(gateway.host_url, server_side) as opened,
    ):
        endpoint = Endpoint(
            name="tls",
            url=f"{opened.url}/api/predict/{gateway.service}",
            token=SecretStr("secret"),
            tls=Tls(ca_file=ca_file),
        )
        queue = EasQueueTransport(endpoint, QueueOptions("ours", tmp_path))
        try:
            course = run(queue)
            gateway.await_that(lambda: gateway.asked["WATCH sink"] == 1)
        finally:
            queue.close()
    assert course.verdict is not None
    assert course.verdict.error is None
