"""Log lines carry what they are about as fields."""

from __future__ import annotations

import logging

from comfyclient.logs import InstanceLog, JobFields, JobLog

FORMAT = logging.Formatter("[%(job_id)s|%(template)s|%(instance)s] %(message)s")


class Kept(logging.Handler):
    """Keeps formatted lines."""

    def __init__(self) -> None:
        super().__init__()
        self.addFilter(JobFields())
        self.setFormatter(FORMAT)
        self.lines: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep one."""
        self.lines.append(self.format(record))


def test_jobs_instances_and_the_rest() -> None:
    """One format serves all lines: what a line is not about is a dash."""
    logger = logging.Logger("comfyclient.test")
    kept = Kept()
    logger.addHandler(kept)
    where: list[str] = []
    job = JobLog(
        logger,
        "j1",
        template="card@1.0.0",
        instance=lambda: "".join(where) or None,
    )
    instance = InstanceLog(logger, "l20-%d")

    job.info("waits for %s", "room")
    where.append("l20-a")
    job.warning("is sent again")
    instance.info("no websocket: %s", "refused")
    logger.info("nothing in particular")

    assert kept.lines == [
        "[j1|card@1.0.0|-] job j1: waits for room",
        "[j1|card@1.0.0|l20-a] job j1: is sent again",
        "[-|-|l20-%d] l20-%d: no websocket: refused",
        "[-|-|-] nothing in particular",
    ]
