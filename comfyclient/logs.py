"""What a log line is about, as fields that formatters and JSON handlers can use."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

FIELDS = ("job_id", "template", "instance")


def about(
    *,
    job_id: str | None = None,
    template: str | None = None,
    instance: str | None = None,
) -> dict[str, str | None]:
    """The fields of a line, for `extra=`; None where it is about no such thing."""
    return {"job_id": job_id, "template": template, "instance": instance}


class JobLog(logging.LoggerAdapter[logging.Logger]):
    """Writes lines about one job, wherever it is at the time."""

    def __init__(
        self,
        logger: logging.Logger,
        job_id: str,
        *,
        template: str | None,
        instance: Callable[[], str | None],
    ) -> None:
        super().__init__(logger)
        self._job_id = job_id
        self._template = template
        self._instance = instance

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """Name the job in the line, and give the line its fields."""
        if self.isEnabledFor(level):
            kwargs["extra"] = about(
                job_id=self._job_id, template=self._template, instance=self._instance()
            )
            self.logger.log(level, f"job %s: {msg}", self._job_id, *args, **kwargs)


class InstanceLog(logging.LoggerAdapter[logging.Logger]):
    """Writes lines about one instance."""

    def __init__(self, logger: logging.Logger, name: str) -> None:
        super().__init__(logger)
        self._name = name

    def log(self, level: int, msg: object, *args: object, **kwargs: Any) -> None:
        """Name the instance in the line, and give the line its fields."""
        if self.isEnabledFor(level):
            kwargs["extra"] = about(instance=self._name)
            self.logger.log(level, f"%s: {msg}", self._name, *args, **kwargs)


class JobFields(logging.Filter):
    """Gives every record all fields, `-` where it has none: a format may use them.

    handler.addFilter(JobFields())
    handler.setFormatter(logging.Formatter("%(job_id)s %(instance)s %(message)s"))
    """

    def filter(self, record: logging.LogRecord) -> bool:
        """Let every record pass, with all fields."""
        for name in FIELDS:
            if getattr(record, name, None) is None:
                setattr(record, name, "-")
        return True
