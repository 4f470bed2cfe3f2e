"""Forks a life for each order it reads, from a process that has imported everything.

    python -m crashing.zygote crashing.batch comfyclient.ledger

An order is a line of JSON for the first module's `live`. Told are: `began <pid>`, what
the life itself tells, `ended <exit code>`, negative for a signal. A life that has ended
stays a zombie until the next order, so whoever kills it never meets another process.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import traceback
from collections.abc import Callable
from importlib import import_module


def tell(*words: object) -> None:
    """Say something to whoever started the zygote, in one piece."""
    os.write(1, (" ".join(map(str, words)) + "\n").encode())


def main() -> None:
    """Begin lives until stdin ends."""
    program, *_ = map(import_module, sys.argv[1:])
    zombie: int | None = None
    gc.freeze()  # else every life's first collection copies all that was imported
    tell("ready")
    while line := sys.stdin.readline():
        if zombie is not None:
            os.waitpid(zombie, 0)
        zombie = _begin(program.live, line)
        tell("began", zombie)
        ended = os.waitid(os.P_PID, zombie, os.WEXITED | os.WNOWAIT)
        assert ended is not None, "without WNOHANG it waits"
        signalled = ended.si_code != os.CLD_EXITED
        tell("ended", -ended.si_status if signalled else ended.si_status)


def _begin(live: Callable[..., None], line: str) -> int:
    pid = os.fork()
    if pid != 0:
        return pid
    try:
        live(**json.loads(line))
    except BaseException:  # noqa: BLE001  it is told, and ends the life alone
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    main()
