"""Follow a job by its events: match on the class, stop when it has finished.

How to run: python examples/watch_progress.py [folder]
"""

from __future__ import annotations

import sys
from pathlib import Path

from comfyclient import Client, load_trip
from comfyclient.events import Finished, NodeOutput, Progress, Queued

TRIP = Path(__file__).parent / "trips" / "coast-night-drive.json"


def main(out: str = "out") -> None:
    """Print a line for each event that a person would care about."""
    with Client.from_config() as client:
        job = client.submit("trip-postcard", load_trip(TRIP), seed=7)
        for event in job.events(timeout=120):
            match event:
                case Queued(position=position):
                    print("in the queue", "" if position is None else position)
                case Progress(fraction=fraction, title=title):
                    print(f"{fraction:4.0%} {title or ''}")
                case NodeOutput(refs=refs):
                    print("made", ", ".join(ref.filename for ref in refs))
                case Finished(error=error):
                    print("done" if error is None else f"failed: {error}")
        print("saved", job.result().output("postcard").save(out))


if __name__ == "__main__":
    main(*sys.argv[1:])
