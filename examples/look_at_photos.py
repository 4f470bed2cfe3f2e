"""Which photos of a trip may be shown, and which is best, by a Qwen vision model.

The photos go out without what the camera wrote into them. With DASHSCOPE_API_KEY set,
Qwen is asked; without it, a stand-in on this machine.

How to run: python examples/look_at_photos.py [folder]
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import ExitStack
from pathlib import Path

from comfyclient import Client, load_trip
from comfyclient.testing import DashScopeServer
from comfyclient.testing.pictures import picture
from comfyclient.timing import Deadline

TRIP = Path(__file__).parent / "trips" / "coast-night-drive.json"


def main(out: str = "out") -> None:
    """Look at two photos, and save the best one."""
    settings: dict[str, object] = {"dashscope.vision": "qwen3-vl-plus"}
    folder = Path(out)
    folder.mkdir(parents=True, exist_ok=True)
    for number in (1, 2):  # where photos of your own would be
        (folder / f"{number}.png").write_bytes(picture(320, 200, seed=number))
    given = json.loads(TRIP.read_text("utf-8"))
    given["photos"] = [{"source": "1.png"}, {"source": "2.png"}]
    (folder / "trip.json").write_text(json.dumps(given), "utf-8")
    with ExitStack() as stack:
        if "DASHSCOPE_API_KEY" in os.environ:
            settings["dashscope.key_env"] = "DASHSCOPE_API_KEY"
        else:
            hosted = stack.enter_context(DashScopeServer())
            settings["dashscope.key"] = hosted.key
            settings["dashscope.base_address"] = hosted.url
        client = stack.enter_context(Client.from_config(overrides=settings))

        observer = client.models.observer()
        assert observer is not None, "a vision model is configured"
        trip = load_trip(folder / "trip.json").for_publishing()
        seen = observer.observe(trip, deadline=Deadline(60)).observation
        for photo in seen.photos:
            print(photo.number, photo.shows, "fit" if photo.fit else photo.why)
        print("the best one is saved as", folder / f"{seen.best}.png")


if __name__ == "__main__":
    main(*sys.argv[1:])
