"""Words for a trip by a Qwen model, checked, and set on a postcard.

With DASHSCOPE_API_KEY set, Qwen is asked; without it, a stand-in on this machine, so
that the program runs anywhere. Run it twice with a key: the second run asks nothing.

How to run: python examples/words.py [folder]
"""

from __future__ import annotations

import os
import sys
from contextlib import ExitStack
from pathlib import Path

from comfyclient import Client, load_trip
from comfyclient.testing import DashScopeServer
from comfyclient.timing import Deadline

TRIP = Path(__file__).parent / "trips" / "qinghai-lake-loop.json"


def main(out: str = "out") -> None:
    """Ask for words, say what they cost, print the card."""
    settings: dict[str, object] = {"dashscope.text": "qwen3.6-plus"}
    with ExitStack() as stack:
        if "DASHSCOPE_API_KEY" in os.environ:
            settings["dashscope.key_env"] = "DASHSCOPE_API_KEY"
        else:
            hosted = stack.enter_context(DashScopeServer())
            settings["dashscope.key"] = hosted.key
            settings["dashscope.base_address"] = hosted.url
        client = stack.enter_context(Client.from_config(overrides=settings))
        trip = load_trip(TRIP)

        writer = client.models.copywriter()
        assert writer is not None, "a text model is configured"
        written = writer.compose(trip.for_publishing(), deadline=Deadline(60))
        print(f"{written.copy.title} · {written.copy.subtitle}")
        print(*written.copy.lines, sep="\n")
        print(f"by {written.model or written.source}: {written.usage}")

        words = {"title": written.copy.title, "subtitle": written.copy.lines[0]}
        result = client.run("trip-postcard@1.0.0", trip, params=words, seed=7)
        print("saved", result.output("postcard").save(out))


if __name__ == "__main__":
    main(*sys.argv[1:])
