"""The observer: photos go out bare, answers are held against what was asked."""

from __future__ import annotations

import base64
import io
import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from comfyclient import errors
from comfyclient.steps.asking import Asking
from comfyclient.steps.observation import OfflineObserver
from comfyclient.steps.observer import Looked, ModelObserver
from comfyclient.testing import DashScopeServer, FakeClock, Refuses, Says
from comfyclient.timing import Deadline
from comfyclient.trip.published import PublishedPhoto, PublishedTrip, with_source


def jpeg(folder: Path, name: str) -> str:
    """A photo with a place in it."""
    exif = Image.Exif()
    exif[0x010F] = "SECRET-CAMERA"
    out = io.BytesIO()
    Image.new("RGB", (32, 24), "green").save(out, "JPEG", exif=exif)
    (folder / name).write_bytes(out.getvalue())
    return str(folder / name)


@pytest.fixture
def photographed(trip: PublishedTrip, tmp_path: Path) -> PublishedTrip:
    """A trip with three photos, one of which cannot be read."""
    sources = [jpeg(tmp_path, "a.jpg"), str(tmp_path / "gone"), jpeg(tmp_path, "b.jpg")]
    photos = tuple(
        with_source(PublishedPhoto(number=number), source)
        for number, source in enumerate(sources, start=1)
    )
    return trip.model_copy(update={"photos": photos})


def look(asking: Asking, trip: PublishedTrip, clock: FakeClock, **more: Any) -> Looked:
    """What is on the photos."""
    observer = ModelObserver(asking, "qwen3-vl-plus", **more)
    return observer.observe(trip, deadline=Deadline(100, clock=clock))


def entry(photo: int, **changes: Any) -> dict[str, Any]:
    """What is said of a photo."""
    usual = {"photo": photo, "shows": "a road", "fit": True, "why": "", "quality": 0.5}
    return {**usual, **changes}


def says(*entries: dict[str, Any], best: int | None = 1) -> Says:
    """An answer."""
    return Says(json.dumps({"photos": entries, "best": best}))


def test_what_is_on_each(
    server: DashScopeServer,
    asking: Asking,
    photographed: PublishedTrip,
    clock: FakeClock,
) -> None:
    """By the trip's own numbers; one that could not be read says so."""
    bad = entry(1, fit=False, why="a face is near", quality=0.9)
    server.vision(says(bad, entry(2), best=1))

    seen = look(asking, photographed, clock).observation

    assert [p.fit for p in seen.photos] == [False, None, True]
    assert "read" in seen.photos[1].why
    assert seen.fit == (3,)
    assert seen.best == 3  # what it called best is not fit


def test_photos_go_out_bare(
    server: DashScopeServer,
    asking: Asking,
    photographed: PublishedTrip,
    clock: FakeClock,
) -> None:
    """Nothing of the camera is in them, and nothing of the trip beside them."""
    look(asking, photographed, clock)

    (body,) = server.bodies("multimodal")
    (message,) = body["input"]["messages"]  # type: ignore[index,call-overload]
    images = [p["image"] for p in message["content"] if "image" in p]
    assert len(images) == 2
    for image in images:
        content = base64.b64decode(image.partition(",")[2])
        assert b"SECRET" not in content
        assert not Image.open(io.BytesIO(content)).getexif()


@pytest.mark.parametrize(
    "bad",
    [
        says(entry(1)),
        says(entry(1), entry(1)),
        says(entry(1), entry(2), best=3),
        says(entry(1), entry(2, quality=7)),
        says(entry(1), entry(2, shows="see www.evil.com")),
        says(entry(1), entry(2, fit="yes")),
    ],
    ids=range(6),
)
def test_what_does_not_fit_the_photos_is_repaired(
    server: DashScopeServer,
    asking: Asking,
    photographed: PublishedTrip,
    clock: FakeClock,
    bad: Says,
) -> None:
    """Once; then nobody looked, and no photo is called fit."""
    server.vision(bad, says(entry(1), entry(2)), bad, bad)

    seen = look(asking, photographed, clock)
    other = photographed.model_copy(update={"photos": photographed.photos[:2]})
    unseen = look(asking, other, clock)

    assert seen.observation.fit == (1, 3)
    assert unseen.source == ("model" if bad == says(entry(1)) else "offline")
    if unseen.source == "offline":
        assert unseen.observation.fit == ()
        assert unseen.warning


def test_asked_once(
    server: DashScopeServer,
    asking: Asking,
    photographed: PublishedTrip,
    clock: FakeClock,
) -> None:
    """The same photos have the same answer."""
    assert look(asking, photographed, clock) == look(asking, photographed, clock)
    assert server.asked["multimodal"] == 1


def test_no_photos_no_question(
    server: DashScopeServer, asking: Asking, trip: PublishedTrip, clock: FakeClock
) -> None:
    """A trip without photos costs nothing."""
    assert look(asking, trip.model_copy(update={"photos": ()}), clock).usage.images == 0
    assert not server.requests


def test_by_policy_an_error(
    server: DashScopeServer,
    asking: Asking,
    photographed: PublishedTrip,
    clock: FakeClock,
) -> None:
    """Where photos must be looked at."""
    server.vision(Refuses("Arrearage"))

    with pytest.raises(errors.ModelArrearsError):
        look(asking, photographed, clock, on_failure="error")


def test_offline_nobody_looks(photographed: PublishedTrip) -> None:
    """It says so of each photo, and calls none fit."""
    seen = OfflineObserver().look(photographed)

    assert [p.fit for p in seen.photos] == [None] * 3
    assert seen.best is None
