"""What a server's node classes are, and which old ones it replaces."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pydantic import JsonValue

from ..errors import BadAnswerError, TransportError
from ..preflight.object_info import ObjectInfo
from ..preflight.server_rules import replaces_nodes
from ..timing import Deadline
from .http import ComfyHttp
from .probing import Prober, nothing_sent


class Catalogue:
    """The node classes of one instance."""

    def __init__(self, http: ComfyHttp, prober: Prober) -> None:
        self._http = http
        self._prober = prober

    def read(self, *, deadline: Deadline) -> ObjectInfo:
        """Ask for all of them; a megabyte or more where many packs are installed.

        Raises:
            UnreachableError: there is nobody.
            BadAnswerError: it is not what ComfyUI answers.
        """
        with nothing_sent():
            self._prober.learn_version(deadline=deadline)
            answer = self._http.get("/object_info", deadline=deadline)
        version = self._prober.dialect.version
        if answer.status >= 300:
            raise BadAnswerError(
                f"the server answers {answer.status} to GET /object_info",
                status=answer.status,
                instance=self._http.endpoint.name,
                hint="check the instance's url and its path prefix",
            )
        info = ObjectInfo.parse(answer.body, version=version)
        if not replaces_nodes(info):
            return info
        replacements = self._replacements(deadline)
        return ObjectInfo(info.entries, version=version, replacements=replacements)

    def _replacements(self, deadline: Deadline) -> Mapping[str, JsonValue] | None:
        """Old classes and what stands in for them; None where it will not say."""
        try:
            answer = self._http.get("/node_replacements", deadline=deadline)
            said = json.loads(answer.body) if answer.status < 300 else None
        except (TransportError, ValueError):
            return None
        return said if isinstance(said, dict) else None
