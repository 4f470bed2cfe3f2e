"""A template with stages, a trip for it, and how often models were asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from comfyclient import Client
from comfyclient.testing import DashScopeServer

TRIP = Path(__file__).parents[3] / "examples" / "trips" / "black-forest-weekend.json"
MANIFEST = """
name = "staged-card"
version = "1.0.0"
summary = "A card with words, a look at photos and a painted background"
languages = ["en", "zh"]
[trip]
takes = ["title"]
[parameters.footer]
type = "string"
[outputs.card]
node = "3"
[[stage]]
name = "file"
kind = "upload"
inputs = ["scene"]
[[stage]]
name = "scene"
kind = "paint"
inputs = ["words"]
[[stage]]
name = "words"
kind = "copy"
[[stage]]
name = "look"
kind = "observe"
"""
SOURCE = """{
  "1": {"class_type": "LoadImage", "inputs": {"image": {{ stages.file[0] }}}},
  "2": {"class_type": "Words", "inputs": {
    "image": ["1", 0], "title": {{ copy.title }}, "same": {{ stages.words.title }},
    "best": {{ stages.look.best }}, "made": {{ stages.scene.count }},
    "footer": {{ params.footer }}
  }},
  "3": {"class_type": "SaveImage",
        "inputs": {"images": ["2", 0], "filename_prefix": "card"}}
}
"""
Opener = Callable[..., Client]


def asked(server: DashScopeServer) -> tuple[int, int]:
    """How often words and pictures were asked for."""
    pictures = server.asked["text2image"] + server.asked["multimodal"]
    return server.asked["text"], pictures
