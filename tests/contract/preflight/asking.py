"""Asks a real server what it thinks of graphs, and lets it run none of them.

To record a version anew, against a server that you may disturb:

    cd tests && python -m contract.preflight.asking http://127.0.0.1:8188 600
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Iterator
from typing import Any

import requests

from comfyclient.preflight.object_info import ObjectInfo

from .graphs import Graph, Maker
from .judging import Judgement
from .recorded import DATA, Recording, without_texts

TIMEOUT_S = 30


class Server:
    """A real ComfyUI."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._session = requests.Session()
        self._session.trust_env = False

    def __enter__(self) -> Server:
        return self

    def __exit__(self, *_: object) -> None:
        self._session.close()

    def offers(self) -> ObjectInfo:
        """Its node classes, and its version."""
        system = self._get("/system_stats")["system"]
        entries = without_texts(self._get("/object_info"))
        version = system.get("comfyui_version")
        replaced = self._get("/node_replacements")
        return ObjectInfo(entries, version=version, replacements=replaced)

    def judge(self, graph: Graph) -> Judgement:
        """What it says of a graph; one that it takes is withdrawn at once."""
        answer = self._post("/prompt", {"prompt": graph})
        try:
            said = answer.json()
        except ValueError:
            said = {}
        prompt_id = said.get("prompt_id") if isinstance(said, dict) else None
        if prompt_id is not None:
            self._post("/queue", {"delete": [prompt_id]})
            self._post("/interrupt", {"prompt_id": prompt_id})
        return Judgement.of(answer.status_code, said)

    def _get(self, path: str) -> Any:
        answer = self._session.get(self._url + path, timeout=TIMEOUT_S)
        try:
            return answer.json() if answer.ok else None
        except ValueError:
            return None

    def _post(self, path: str, body: Any) -> requests.Response:
        return self._session.post(self._url + path, json=body, timeout=TIMEOUT_S)


def judged(
    server: Server, info: ObjectInfo, *, seed: int, number: int
) -> Iterator[tuple[Graph, Judgement]]:
    """Graphs made at random, and what the server says of each."""
    maker = Maker(info, random.Random(seed))
    for _ in range(number):
        graph = maker.spoilt()
        kept = json.loads(json.dumps(graph))
        yield kept, server.judge(graph)


def main() -> None:
    """Record one server."""
    url, number = sys.argv[1], int(sys.argv[2])
    with Server(url) as server:
        info = server.offers()
        graphs = list(judged(server, info, seed=number, number=number))
    for graph, _ in graphs:
        for node in graph.values():
            del node["_meta"]
    DATA.mkdir(parents=True, exist_ok=True)
    Recording(info, graphs).write(DATA / f"v{info.version}.json.xz")


if __name__ == "__main__":
    main()
