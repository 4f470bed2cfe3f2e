"""The process that a nursery forks: imports everything, and becomes what is ordered.

    python cradle.py FD MODULE…

An order is a line of JSON with three streams beside it. Told are `born PID` and
`ended PID CODE`, negative for a signal.
"""

from __future__ import annotations

import atexit
import gc
import json
import os
import re
import runpy
import select
import signal
import socket
import sys
import threading
import traceback
import warnings
from contextlib import suppress
from importlib import import_module
from typing import Any

_USUAL_WARNINGS = list(warnings.filters)


def main() -> None:
    """Fork until the orders end; a child ends as a program of its own does."""
    orders = socket.socket(fileno=int(sys.argv[1]))
    for name in sys.argv[2:]:
        import_module(name)
    gc.collect()
    gc.freeze()  # else every child's first collection copies all that was imported
    order = _tend(orders)
    if order is not None:
        _end(_lived(order["argv"]))


def _tend(orders: socket.socket) -> dict[str, Any] | None:
    """None in the parent at its end; in a child, what it is to be."""
    bell, rope = os.pipe()
    os.set_blocking(bell, False)
    os.set_blocking(rope, False)
    signal.set_wakeup_fd(rope, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    while True:
        ready, _, _ = select.select([orders, bell], [], [])
        if bell in ready:
            with suppress(BlockingIOError):
                os.read(bell, 4096)
            _bury(orders)
        if orders not in ready:
            continue
        line, streams = _heard(orders)
        if not line:
            return None
        pid = os.fork()
        if pid == 0:
            signal.set_wakeup_fd(-1)
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            for fd in (bell, rope):
                os.close(fd)
            orders.close()
            return _born(json.loads(line), streams)
        for fd in streams:
            os.close(fd)
        orders.sendall(f"born {pid}\n".encode())


def _heard(orders: socket.socket) -> tuple[bytes, list[int]]:
    line, streams, _, _ = socket.recv_fds(orders, 65536, 3)
    while line and not line.endswith(b"\n"):
        line += orders.recv(65536)
    return line, streams


def _bury(orders: socket.socket) -> None:
    with suppress(ChildProcessError):
        while (ended := os.waitpid(-1, os.WNOHANG))[0] != 0:
            code = os.waitstatus_to_exitcode(ended[1])
            with suppress(OSError):  # nobody wants to know any more
                orders.sendall(f"ended {ended[0]} {code}\n".encode())


def _born(order: dict[str, Any], streams: list[int]) -> dict[str, Any]:
    """Take on the streams, the environment and the folder."""
    for number, fd in enumerate(streams):
        os.dup2(fd, number)
        os.close(fd)
    os.environ.clear()
    os.environ.update(order["env"])
    os.chdir(order["cwd"])
    encoding = os.environ.get("PYTHONIOENCODING", "utf-8")
    sys.stdin = open(0, encoding=encoding, closefd=False)  # noqa: SIM115
    sys.stdout = open(1, "w", encoding=encoding, closefd=False)  # noqa: SIM115
    sys.stderr = open(  # noqa: SIM115
        *(2, "w", 1), encoding=encoding, errors="backslashreplace", closefd=False
    )
    signal.signal(signal.SIGINT, signal.default_int_handler)
    strict, *allowed = os.environ.get("PYTHONWARNINGS", "").split(",")
    if strict == "error":
        # as if said at the start: what modules have switched off since stays so
        added = [each for each in warnings.filters if each not in _USUAL_WARNINGS]
        warnings.resetwarnings()
        warnings.filters.extend(added)  # type: ignore[attr-defined]
        for each in allowed:
            action, _, message = each.partition(":")
            assert action == "ignore", "nothing else is asked for"
            warnings.filterwarnings("ignore", re.escape(message))
        warnings.simplefilter("error", append=True)
    return order


def _lived(argv: list[str]) -> int:
    """The exit code of a program."""
    try:
        _live(argv)
    except SystemExit as end:
        if end.code is None or isinstance(end.code, int):
            return end.code or 0
        print(end.code, file=sys.stderr)  # noqa: T201  as the interpreter does
        return 1
    except KeyboardInterrupt:
        return -signal.SIGINT
    except BaseException:  # noqa: BLE001  the interpreter's own end of it
        traceback.print_exc()
        return 1
    return 0


def _end(code: int) -> None:
    """End as an interpreter does, but for the memory, which ends with the process.

    To give it back object by object takes ten times as long as all else here: each page
    is the parent's until it is written to.
    """
    threading._shutdown()  # type: ignore[attr-defined]  # waits for its threads
    atexit._run_exitfuncs()
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
    if code < 0:
        signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    os._exit(code)


def _live(argv: list[str]) -> None:
    """Do what `python …` would do."""
    match argv:
        case ["-u", *rest]:
            assert hasattr(sys.stdout, "reconfigure")
            sys.stdout.reconfigure(write_through=True)
            _live(rest)
        case ["-c", program, *rest]:
            sys.argv = ["-c", *rest]
            exec(compile(program, "<string>", "exec"), {"__name__": "__main__"})
        case ["-m", module, *rest]:
            sys.argv = [module, *rest]
            sys.path[0] = os.getcwd()  # noqa: PTH109  as the interpreter has it
            runpy.run_module(module, run_name="__main__", alter_sys=True)
        case [file, *rest]:
            sys.argv = [file, *rest]
            sys.path[0] = os.path.dirname(file)  # noqa: PTH120
            runpy.run_path(file, run_name="__main__")


if __name__ == "__main__":
    main()
