"""The doctor before storages: listed, read, written, and written to by the service."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from comfyclient.checks.plan import patient_of, plan
from comfyclient.checks.senses import Senses
from comfyclient.config.settings import Settings
from comfyclient.doctor import Doctor, Examined
from comfyclient.templating.registry import Registry
from comfyclient.testing import EasGateway
from comfyclient.timing import Deadline


@pytest.fixture(scope="module")
def gateway() -> Iterator[EasGateway]:
    """The standard edition, with a mount of its own."""
    with EasGateway() as gateway:
        yield gateway


def examined(
    url: str, storage: dict[str, Any], *, write_probe: bool = True, **more: Any
) -> dict[str, Examined]:
    """What the doctor found, by kind; of `dns` and the like, the storage's."""
    instance = {"name": "a", "url": url, "token": "stand-in-token"}
    own = {"instances": [instance], "storage": storage, "pins": {}, **more}
    others = own.pop("others", {})
    settings = Settings.model_validate({"environments": {"test": own, **others}})
    with ExitStack() as stack:
        patient = patient_of("test", settings, stack, registry=Registry([]))
        doctor = Doctor(write_probe=write_probe)
        checks = plan(patient, stack, Senses())
        found = list(doctor.examine(checks, deadline=Deadline(50)))
    return {one.check.kind: one for one in found}


def said(found: dict[str, Examined], kind: str) -> tuple[str, str, str]:
    """Status, evidence and remedy of a check."""
    diagnosis = found[kind].diagnosis
    remedy = "" if diagnosis.remedy is None else diagnosis.remedy
    return diagnosis.status.value, diagnosis.evidence, remedy


def test_a_mount_that_the_service_writes_to(gateway: EasGateway) -> None:
    """A job's file comes back through it, and nothing of the probe stays.

    Whoever asked for the probe has confirmed it where the environment is protected.
    """
    before = {file for file in gateway.mount.rglob("*") if file.is_file()}
    storage = {"kind": "mount", "root": str(gateway.mount)}
    found = examined(gateway.url, storage, protected=True)

    assert said(found, "storage")[:2] == ("ok", str(gateway.mount))
    assert said(found, "list")[0] == "ok"
    assert said(found, "write")[1] == "an input was written and deleted again"
    status, evidence, _ = said(found, "round-trip")
    assert (status, "bytes came back" in evidence) == ("ok", True)
    assert {file for file in gateway.mount.rglob("*") if file.is_file()} == before


def test_a_queue_whose_service_writes_to_the_mount() -> None:
    """The API edition's job comes back by its queue, its file by the mount."""
    with EasGateway(edition="api") as gateway:
        storage = {"kind": "mount", "root": str(gateway.mount)}
        found = examined(gateway.url, storage, transport="eas-queue")
        left = [file for file in gateway.mount.rglob("*") if file.is_file()]

    status, evidence, _ = said(found, "round-trip")
    assert (status, "bytes came back" in evidence) == ("ok", True), evidence
    assert not left


def test_an_output_that_is_there_is_read(gateway: EasGateway) -> None:
    """The smallest one; nothing is written without being asked for."""
    for name, size in (("b.png", 900), ("a.png", 30)):
        file = gateway.mount / "output" / "deep" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(b"x" * size)
    storage = {"kind": "mount", "root": str(gateway.mount)}
    found = examined(gateway.url, storage, write_probe=False)

    assert said(found, "read")[:2] == ("ok", "output/deep/a.png was read, 30 bytes")
    assert said(found, "write")[0] == said(found, "round-trip")[0] == "skipped"


def test_a_service_that_mounts_another_folder_is_told(
    gateway: EasGateway, tmp_path: Path
) -> None:
    """Its job succeeds, and its file is nowhere: the remedy names the mount."""
    storage = {"kind": "mount", "root": str(tmp_path), "visible_s": 0}
    found = examined(gateway.url, storage)

    status, evidence, remedy = said(found, "round-trip")
    assert (status, str(tmp_path) in evidence) == ("fail", True)
    assert "what the service mounts" in remedy
    assert said(found, "read")[0] == "skipped"


def test_a_folder_that_is_not_mounted_is_told(
    gateway: EasGateway, tmp_path: Path
) -> None:
    """What needs it is not asked."""
    found = examined(gateway.url, {"kind": "mount", "root": str(tmp_path / "none")})
    status, evidence, remedy = said(found, "list")
    assert (status, "is not there" in evidence) == ("fail", True)
    assert "mounted here" in remedy
    assert said(found, "read")[0] == "skipped"


def test_over_http_the_round_trip_is_all_there_is(gateway: EasGateway) -> None:
    """The file is read from the instance itself, which deletes nothing."""
    found = examined(gateway.url, {"kind": "view"})
    assert said(found, "storage")[0] == "skipped"
    status, evidence, _ = said(found, "round-trip")
    assert (status, "stays on the server" in evidence) == ("ok", True)


def test_what_is_another_environments_is_not_written_to(gateway: EasGateway) -> None:
    """Neither its storage nor its instances."""
    storage = {"kind": "mount", "root": str(gateway.mount)}
    owner = {
        "instances": [{"name": "o", "url": gateway.url}],
        "storage": storage,
    }
    found = examined(
        gateway.url, storage, others={"owner": owner}, shared_with={"owner": "a look"}
    )
    assert (
        said(found, "write")[1] == "it is another environment's: it is only read here"
    )
    assert "round-trip" not in found
