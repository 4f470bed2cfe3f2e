"""The command `doctor`: the way of the environment's jobs, hop by hop."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from functools import partial
from typing import Annotated

import typer
from pydantic import JsonValue
from rich.table import Table
from rich.text import Text

from ..checks.base import Status
from ..checks.plan import Patient, patient_of, plan
from ..checks.senses import Senses
from ..config.dashscope import dashscope_of, read_key
from ..config.protection import require_confirmation
from ..config.tokens import secrets_of
from ..doctor import EACH_S, Doctor, Examined
from ..errors import ConfigError
from ..ledger.records import redacted
from ..templating.registry import Registry
from ..timing import Deadline
from .console import err, out, printable, show_json
from .options import (
    FAILED,
    Config,
    Confirm,
    Env,
    Json,
    TokenEnv,
    Url,
    YesProd,
    confirmed,
)
from .place import find_place

_STYLES = {
    Status.OK: "green",
    Status.WARN: "yellow",
    Status.FAIL: "red",
    Status.SKIPPED: "dim",
}
_WIDEST = max(len(status) for status in Status)


def doctor(
    *,
    write_probe: Annotated[
        bool,
        typer.Option(
            help="Also write: a file into the storage, one tiny job on each instance, "
            "one token of each text model. What was written is deleted again."
        ),
    ] = False,
    timeout: Annotated[
        float, typer.Option(min=1, max=3600, help="Seconds for all checks.")
    ] = 180,
    each: Annotated[
        float, typer.Option(min=0.1, max=600, help="Seconds for one check.")
    ] = EACH_S,
    config: Config = None,
    env: Env = None,
    url: Url = None,
    token_env: TokenEnv = None,
    confirm: Confirm = None,
    yes_prod: YesProd = False,
    as_json: Json = False,
) -> None:
    """Check the whole way of an environment's jobs, and say what to do; only reads."""
    place = find_place(config, env, url=url, token_env=token_env)
    if write_probe:
        require_confirmation(
            place.name,
            place.environment,
            action="write into its storage and run a job",
            confirm=confirmed(confirm, yes_prod=yes_prod),
        )
    with ExitStack() as stack:
        patient = patient_of(place.name, place.settings, stack, registry=Registry())
        examined = _examine(
            patient,
            stack,
            Doctor(write_probe=write_probe, each_s=each, redact=_redactor(patient)),
            Deadline(timeout),
            shown=not as_json,
        )
    if as_json:
        show_json(_report(place.name, examined))
    else:
        _show(place.name, examined)
    if any(one.diagnosis.status is Status.FAIL for one in examined):
        raise typer.Exit(FAILED)


def _examine(
    patient: Patient,
    stack: ExitStack,
    doctor: Doctor,
    deadline: Deadline,
    *,
    shown: bool,
) -> list[Examined]:
    """Run all checks; elsewhere than on a terminal, each is told when it ends."""
    checks = plan(patient, stack, Senses())
    found: list[Examined] = []
    with ExitStack() as shown_while:
        if shown and err.is_terminal:
            shown_while.enter_context(err.status("asking …"))
        for one in doctor.examine(checks, deadline=deadline):
            found.append(one)
            if shown and not out.is_terminal:
                out.print(printable(_line(one)), markup=False)
    return found


def _redactor(patient: Patient) -> Callable[[str], str]:
    """Takes the environment's secrets, and what looks like one, out of a text."""
    secrets: list[str] = []
    for instance in patient.environment.instances:
        with suppress(ConfigError):  # what cannot be read cannot be shown
            secrets += secrets_of(instance)
    hosted = dashscope_of(patient.settings, patient.name)
    if hosted is not None:
        with suppress(ConfigError):
            secrets.append(read_key(hosted).get_secret_value())
    return partial(_without, secrets)


def _without(secrets: Sequence[str], text: str) -> str:
    for secret in secrets:
        text = text.replace(secret, "…")
    return redacted(text)


# -- shown to a person


def _line(one: Examined) -> str:
    status = f"{one.diagnosis.status.value:{_WIDEST}}"
    found = one.diagnosis
    what = f"{one.check.kind} of {one.check.subject}"
    text = f"{status}  {what}: {found.evidence}".replace("\n", " ")
    if found.remedy is None or found.status is Status.OK:
        return text
    return f"{text}\n{' ' * _WIDEST}    → {found.remedy}".rstrip()


def _show(name: str, examined: Sequence[Examined]) -> None:
    if out.is_terminal:
        out.print(_table(examined), soft_wrap=False)
    out.print(printable(f"environment {name}: {_summary(examined)}"), markup=False)


def _table(examined: Sequence[Examined]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0))
    table.add_column("", no_wrap=True)
    table.add_column("check", no_wrap=True)
    table.add_column("of", no_wrap=True)
    table.add_column("what was found, and what to do", overflow="fold")
    for one in examined:
        found = one.diagnosis
        words = Text(printable(found.evidence))
        if found.remedy is not None and found.status is not Status.OK:
            words.append(f"\n→ {printable(found.remedy)}", style="bold")
        status = Text(found.status.value, style=_STYLES[found.status])
        table.add_row(
            status, Text(one.check.kind), Text(printable(one.check.subject)), words
        )
    return table


def _summary(examined: Sequence[Examined]) -> str:
    counts = Counter(one.diagnosis.status for one in examined)
    return ", ".join(f"{counts[status]} {status.value}" for status in Status)


def _report(name: str, examined: Sequence[Examined]) -> dict[str, JsonValue]:
    counts = Counter(one.diagnosis.status for one in examined)
    return {
        "environment": name,
        "ok": not counts[Status.FAIL],
        "counts": {status.value: counts[status] for status in Status},
        "checks": [one.as_json() for one in examined],
    }
