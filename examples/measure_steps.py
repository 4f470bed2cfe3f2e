"""Look in on jobs with a hook: where does the time of a picture go?

How to run: python examples/measure_steps.py [folder]
"""

from __future__ import annotations

import sys
from pathlib import Path

from comfyclient import Client, load_trip
from comfyclient.hooks import End, Hook, JobFacts, Step

TRIP = Path(__file__).parent / "trips" / "black-forest-weekend.json"


class Stopwatch(Hook):
    """Prints each stretch of a job when it is over; runs in a thread of its own."""

    def stepped(self, job: JobFacts, step: Step) -> None:
        """Print how long it took, and what it was about."""
        print(f"{step.seconds:7.3f} s  {step.name:8} {step.subject or ''}")

    def ended(self, job: JobFacts, end: End) -> None:
        """Print the whole time."""
        print(f"{end.seconds:7.3f} s  {job.template} in all")


def main(out: str = "out") -> None:
    """Make one postcard with the stopwatch running."""
    with Client.from_config(hooks=[Stopwatch()]) as client:
        result = client.run("trip-postcard", load_trip(TRIP), seed=7)
        saved = result.output("postcard").save(out)
    print("saved", saved)


if __name__ == "__main__":
    main(*sys.argv[1:])
