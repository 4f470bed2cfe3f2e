"""A postcard that is kept in OSS: saved here, and handed on by a signed URL.

How to run: python examples/outputs_in_oss.py [folder]
It works on a stand-in for OSS. To use yours, give the environment its bucket, endpoint
and prefix, and export OSS_ACCESS_KEY_ID and OSS_ACCESS_KEY_SECRET; see docs/storage.md.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from urllib.parse import urlsplit

import requests

from comfyclient import Client, Settings, load_trip
from comfyclient.testing import OssServer

TRIP = load_trip(Path(__file__).parent / "trips" / "black-forest-weekend.json")
BUCKET, PREFIX = "nev-aigc", "comfyui/test"


def settings_for(oss: OssServer) -> Settings:
    """An engine that has its prefix of the bucket mounted, as a service has."""
    storage = {
        "kind": "oss",
        "bucket": BUCKET,
        "endpoint": oss.endpoint,
        "region": oss.region,
        "prefix": PREFIX,
        "credentials": "env",
    }
    mount = {"base_directory": oss.path(BUCKET, PREFIX)}
    test = {"transport": "embedded", "engine": mount, "storage": storage}
    return Settings.model_validate({"environments": {"test": test}})


def main(folder: str) -> None:
    """Make a postcard, save it, and read it again as the community's service would."""
    with OssServer(buckets=[BUCKET]) as oss:
        os.environ["OSS_ACCESS_KEY_ID"] = oss.key.id
        os.environ["OSS_ACCESS_KEY_SECRET"] = oss.key.secret
        with Client(settings_for(oss), environment="test") as client:
            card = client.run("trip-postcard", TRIP, seed=7).output("postcard")
            print("saved", card.save(folder))
            url = client.signed_url(card, seconds=900)
            print("for the community, 15 minutes long:", url)
            found = requests.get(url, timeout=10)
            print(urlsplit(url).path, found.status_code, len(found.content), "bytes")


if __name__ == "__main__":
    main(*(sys.argv[1:] or ["out"]))
