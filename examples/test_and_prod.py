"""Test and prod in one process: try a template's next version, promote it, run it.

How to run: python examples/test_and_prod.py [folder]
Step by step, on the command line: docs/from-test-to-prod.md.
"""

from __future__ import annotations

import sys
import tempfile
from datetime import UTC, datetime
from pathlib import Path

from comfyclient import Client, load_settings, load_trip
from comfyclient.errors import PinError
from comfyclient.pins.lockfile import read_lock
from comfyclient.pins.locking import Signature, lock_templates, prepare
from comfyclient.templating.folders import bump_template
from comfyclient.templating.registry import registry_of

CARD = "trip-postcard"
FROM_TO = {"source": "test", "target": "prod"}
TRIP = load_trip(Path(__file__).parent / "trips" / "black-forest-weekend.json")
CONFIG = """\
templates = ["templates"]
[environments]
test = { transport = "embedded", engine.version = "0.33.0" }
prod = { transport = "embedded", engine.version = "0.3.40", protected = true }
"""


def main(out: str, folder: Path) -> None:
    """Lock the next version in test, look at its picture, promote it to prod."""
    file, ours = folder / "comfyclient.toml", folder / "templates"
    file.write_text(CONFIG, encoding="utf-8")
    ours.mkdir()
    settings, registry = load_settings(file), registry_of([ours])
    bump_template(registry.find(CARD), root=ours, version="1.9.0")
    lock, by = folder / "comfyclient.lock", Signature("an example", datetime.now(UTC))
    given = {"registry": registry, "pins": {}}
    lock_templates(lock, [CARD], environment="test", by=by, **given)
    with Client(settings, environment="test") as test:
        card = test.run(CARD, TRIP, seed=7).output("postcard")
        print("saved", card.save(Path(out) / "test.png", overwrite=True))
    with Client(settings, environment="prod") as prod:
        try:
            prod.submit(CARD, TRIP)
        except PinError as error:
            print("not yet:", error.message)
        seen = prepare(CARD, **FROM_TO, lock=read_lock(lock), **given)
        seen.promote(lock, by=by)
        result = prod.run(CARD, TRIP, seed=7)
        card = result.output("postcard")
        print("saved", card.save(Path(out) / "prod.png", overwrite=True))
        print(result.provenance.template, "on", result.provenance.instance)


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as workshop:
        main(*(sys.argv[1:] or ["out"]), folder=Path(workshop))
