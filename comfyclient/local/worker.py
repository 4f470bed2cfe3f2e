"""The one thread that runs prompts."""

from __future__ import annotations

import logging
from typing import Any

from .executor import Executor, Outcome
from .history import SECRET_KEYS
from .prompt_queue import PromptQueue, QueueItem
from .socket_hub import SocketHub
from .versions import Behaviour

_LOGGER = logging.getLogger("comfyclient.local")

_PATIENCE_SECONDS = 60.0


class Worker:
    """Takes prompts from the queue, runs them, and stores how they ended."""

    def __init__(
        self,
        *,
        queue: PromptQueue,
        executor: Executor,
        hub: SocketHub,
        behaviour: Behaviour,
    ) -> None:
        self._queue = queue
        self._executor = executor
        self._hub = hub
        self._behaviour = behaviour

    def run(self) -> None:
        """Work until the queue closes.

        A node that raises SystemExit ends this thread and nothing else: the prompt
        stays in the queue as running for ever, as with the real server.
        """
        try:
            while not self._queue.closed:
                self._run_next()
        except (SystemExit, KeyboardInterrupt):
            _LOGGER.error("a node ended the worker thread; no prompt runs any more")

    def _run_next(self) -> None:
        item = self._queue.take(seconds=_PATIENCE_SECONDS)
        # Before the prompt: POST /free counts for whatever is posted after it.
        if self._queue.take_flags().get("free_memory"):
            self._executor.reset()
        if item is not None:
            outcome = self._executor.run(item)
            if self._queue.closed:
                return
            self._queue.finish(item, self._entry(item, outcome))
            if self._hub.client_id is not None:
                data = {"node": None, "prompt_id": item.prompt_id}
                self._hub.post("executing", data, sid=self._hub.client_id)

    def _entry(self, item: QueueItem, outcome: Outcome) -> dict[str, Any]:
        prompt = item.shown(without_secrets=False)
        if self._behaviour.secrets_out_of_history:
            prompt[3] = {k: v for k, v in prompt[3].items() if k not in SECRET_KEYS}
        return {
            "prompt": prompt,
            "outputs": outcome.outputs,
            "status": {
                "status_str": "success" if outcome.succeeded else "error",
                "completed": outcome.succeeded,
                "messages": outcome.messages,
            },
            "meta": outcome.meta,
        }
