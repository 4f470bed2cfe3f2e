"""Templates beyond the postcard, run on the embedded engine to their pictures."""

from __future__ import annotations

from collections.abc import Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from comfyclient import Client, Settings, load_trip
from comfyclient.config.settings import EnvironmentSettings
from comfyclient.errors import ComfyClientError
from comfyclient.templating.registry import Registry
from comfyclient.testing import DashScopeServer
from comfyclient.testing.dashscope_play import Paints, Refuses

BLACK_FOREST = Registry().find("trip-story").sample_trip


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Client]:
    """One client for the whole file: its engine caches what repeats."""
    ledger = tmp_path_factory.mktemp("ledger") / "jobs.db"
    local = EnvironmentSettings(transport="embedded", ledger=f"sqlite:///{ledger}")
    with Client(Settings(environments={"local": local})) as opened:
        yield opened


def pixels_of(path: Path) -> np.ndarray:
    """A picture's pixels, from 0 to 1."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"), np.float32) / 255


def test_a_story_shows_every_day_with_its_photos(
    client: Client, tmp_path: Path
) -> None:
    """Where the template puts a photo, the photo is to be seen."""
    result = client.run("trip-story", load_trip(BLACK_FOREST), seed=7, timeout=150)
    story = pixels_of(result.output("story").save(tmp_path))

    assert story.shape[1] == 1080
    assert story.shape[0] > 4000
    graph = Registry().find("trip-story").render(load_trip(BLACK_FOREST), seed=7).graph
    photos = BLACK_FOREST.parent / "photos"
    for node_id, name in (
        ("day-1-photo-1", "morning-mist"),
        ("day-1-photo-2", "road-to-the-pass"),
        ("day-2-photo-2", "evening-ridges"),
        ("more-photo-1", "night-at-the-lake"),
    ):
        place = graph[f"place-{node_id}"]["inputs"]  # type: ignore[index,call-overload]
        print_ = graph[f"print-{node_id}"]["inputs"]  # type: ignore[index,call-overload]
        y, x = place["y"] + print_["height"] // 2, place["x"] + print_["width"] // 2
        seen = story[y - 30 : y + 30, x - 40 : x + 40].mean((0, 1))
        photo = pixels_of(photos / f"{name}.jpg")
        middle = photo[310:350, 420:480].mean((0, 1))
        assert np.abs(seen - middle).max() < 0.12, node_id


def test_a_cover_is_painted_by_order(
    client: Client, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The picture that the service made lies under texts and route."""
    stream = BytesIO()
    Image.new("RGB", (1712, 960), (200, 40, 40)).save(stream, "PNG")
    with DashScopeServer() as service:
        monkeypatch.setenv("DASHSCOPE_API_KEY", service.key)
        monkeypatch.setenv("DASHSCOPE_HTTP_BASE_URL", service.url)
        monkeypatch.setenv("COMFYCLIENT_DASHSCOPE_POLL_S", "0")
        service.picture(Paints(content=stream.getvalue()))
        trip = load_trip(Registry().find("trip-cover").sample_trip)
        result = client.run("trip-cover", trip, seed=2**40 + 7, timeout=150)
        service.picture(Refuses("DataInspectionFailed"))
        with pytest.raises(ComfyClientError, match=r"DataInspectionFailed.*change it"):
            client.run("trip-cover", trip, seed=8, timeout=150)
        (order, _) = service.bodies("image")

    cover = pixels_of(result.output("cover").save(tmp_path))
    assert cover.shape == (900, 1600, 3)
    assert np.allclose(cover[40, 1560], [200 / 255, 40 / 255, 40 / 255], atol=0.02)
    assert cover[40, 40].min() > 0.7
    assert order["parameters"]["size"] == "1712*960"  # type: ignore[index,call-overload]
    assert order["parameters"]["seed"] == (2**40 + 7) % 2**31  # type: ignore[index,call-overload]
    assert order["parameters"]["n"] == 1  # type: ignore[index,call-overload]


def test_a_template_with_models_names_what_the_engine_lacks(client: Client) -> None:
    """The embedded engine has none, and says which class is missing."""
    trip = load_trip(Registry().find("trip-poster").sample_trip)
    with pytest.raises(ComfyClientError, match=r"UNETLoader|KSampler|CLIPLoader"):
        client.run("trip-poster", trip, seed=1, timeout=150)
