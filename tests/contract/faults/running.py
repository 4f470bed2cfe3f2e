"""Plays one case through a real client, and notes what came of it."""

from __future__ import annotations

import logging
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import TypeVar

from comfyclient.client import Client
from comfyclient.errors import ComfyClientError
from comfyclient.events import Event
from comfyclient.files.outputs import Output
from comfyclient.job import Job
from comfyclient.jobs.course import JobStatus
from comfyclient.ledger.records import JobState
from comfyclient.testing import ScriptedServer
from comfyclient.testing.bench import GRAPH
from comfyclient.workflow import InputFile, NamedOutput, Workflow

from .answers import ANSWERS, CANCELLING, DOWNLOAD, UPLOADING
from .cases import CANCEL_S, FETCHING, BadAnswer, Case, Mishap
from .mishaps import ACTS, MEANWHILE, MISHAPS, holds, limits
from .playing import A_LOOK_S, Doorbell
from .scene import FOREIGN, LIMIT_S, Scene

WORKFLOW = Workflow.from_graph(GRAPH, outputs=[NamedOutput("card", "2")])
PHOTO = b"a photo"
WITH_FILE = Workflow.from_graph(
    {**GRAPH, "3": {"class_type": "LoadImage", "inputs": {"image": "in/photo.png"}}},
    outputs=[NamedOutput("card", "2")],
    files=[InputFile("in/photo.png", sha256(PHOTO).hexdigest(), len(PHOTO), PHOTO)],
)
T = TypeVar("T")

DOWNLOAD_S, STALLED_S = 60.0, 1.0
"""Seconds that a download may take: as a rule, and where it is to be given up. Whoever
gives up looks at the clock only now and then, and a silence is over after a while."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """What the ledger's file says of the job, read by another program than ours."""

    state: JobState
    attempts: int


@dataclass(slots=True)
class Observed:
    """What came of a case."""

    error: ComfyClientError | None = None
    status: JobStatus | None = None
    """None where there is no handle: the submit raised."""
    events: list[Event] = field(default_factory=list)
    took_s: float = 0.0
    """Seconds on the clock until it had ended."""
    row: Recorded | None = None
    row_after: Recorded | None = None
    """The same after another client has taken up what was left to do."""
    executions: tuple[int, ...] = ()
    allowed: tuple[int, ...] = ()
    """By instance, how often the job may have run there at most, by what was lost."""
    refusal: ComfyClientError | None = None
    """What cancelling it raised."""
    foreign: tuple[str | None, ...] = ()
    """How somebody else's jobs ended."""
    download: ComfyClientError | None = None
    """What the first download raised."""
    left: list[str] = field(default_factory=list)
    """The files that it left behind, for all that."""
    picture: bytes | None = None
    pictures: tuple[bytes, ...] = ()
    """Those that the servers hold."""
    resumed: list[ComfyClientError | None] = field(default_factory=list)
    """What each job ended with that the next client took up."""
    complaints: list[logging.LogRecord] = field(default_factory=list)
    """Errors in the log of the package."""


def observe(case: Case, ledger: Path) -> Observed:
    """Play a case on a new ledger."""
    observed = Observed()
    with _listening(observed), ExitStack() as stack:
        scene = Scene(case, ledger, stack)
        scene.prepare()
        client = scene.client()
        _timed(scene, partial(_first_life, scene, client, observed))
        observed.row = _row(ledger)
        client.close()
        scene.heal()
        if observed.row is not None and not observed.row.state.settled:
            _second_life(scene, observed)
        if holds(case):
            scene.first.await_that(scene.first.stage.idle)
        _count(scene, observed)
    return observed


def _timed(scene: Scene, work: Callable[[], T]) -> T:
    try:
        return scene.clock.run(work, limit=LIMIT_S)
    except TimeoutError as error:
        raise AssertionError(f"{scene.case}: {error}") from None


# -- until it has ended


def _first_life(scene: Scene, client: Client, observed: Observed) -> None:
    began = scene.clock.monotonic()
    job = _to_its_end(scene, client, observed)
    observed.took_s = scene.clock.monotonic() - began
    if job is not None and observed.error is None:
        with _at_download(scene, client, job, observed):
            _collect(scene, job, observed)


def _to_its_end(scene: Scene, client: Client, observed: Observed) -> Job | None:
    try:
        with _at_submit(scene, client):
            workflow = _workflow(scene.case)
            job = client.submit(workflow, **limits(scene.case))
    except ComfyClientError as error:
        observed.error = error
        return None
    job = _meddle(scene, client, job, observed)
    observed.events = list(job.events())
    observed.status = job.status
    with _noting(observed):
        job.result()
    return job


def _workflow(case: Case) -> Workflow:
    """What is submitted: with an input file, where the fault meets that."""
    fault = case.fault
    files = isinstance(fault, BadAnswer) and fault.route in UPLOADING
    return WITH_FILE if files else WORKFLOW


@contextmanager
def _noting(observed: Observed) -> Iterator[None]:
    try:
        yield
    except ComfyClientError as error:
        observed.error = error


def _meddle(scene: Scene, client: Client, job: Job, observed: Observed) -> Job:
    """What is done at the mishap's moment by others than the servers."""
    fault = scene.case.fault
    if isinstance(fault, BadAnswer) and fault.route in CANCELLING:
        assert scene.bell.rung.wait(LIMIT_S), "the job came to its moment"
        _cancel(scene, job, observed)
    if not isinstance(fault, Mishap) or fault.moment in FETCHING:
        return job
    if fault.moment == "queued":
        scene.pass_by(A_LOOK_S)
    if fault.name in ACTS:
        return _act(scene, client, job, observed)
    if fault.moment == "queued":
        scene.strike(MISHAPS[fault.name])
        if not holds(scene.case):
            scene.next_to_us.set()
    return job


def _cancel(scene: Scene, job: Job, observed: Observed) -> None:
    try:
        job.cancel(timeout=CANCEL_S)
    except ComfyClientError as error:
        observed.refusal = error
    scene.heal()


def _act(scene: Scene, client: Client, job: Job, observed: Observed) -> Job:
    fault = scene.case.fault
    assert isinstance(fault, Mishap), "an act has its moment"
    if fault.moment != "queued":
        assert scene.bell.rung.wait(LIMIT_S), "the job came to its moment"
    if fault.name == "user_cancels":
        _cancel(scene, job, observed)
        return job
    client.close()
    if fault.name in MEANWHILE:
        scene.strike(MISHAPS[MEANWHILE[fault.name]])
        scene.next_to_us.set()
        (again,) = scene.client().resume()
        return again
    if fault.tempo == "at_once":
        scene.heal()
    (again,) = scene.client().resume()
    scene.heal()
    return again


# -- afterwards


def _collect(scene: Scene, job: Job, observed: Observed) -> None:
    """Bring the picture home: now, or once the server gives it."""
    output = job.result().output("card")
    scene.before_download()
    for number in range(_tries(scene.case)):
        try:
            patience = _patience(scene.case, again=number > 0)
            observed.picture = _brought_home(scene, output, patience)
        except ComfyClientError as error:
            if number == 0:
                observed.download = error
                observed.left = [path.name for path in scene.folder.glob("*")]
                scene.after_download()
        else:
            return


def _brought_home(scene: Scene, output: Output, patience: float) -> bytes:
    """A picture: as a file, where something happens meanwhile."""
    fault = scene.case.fault
    if not isinstance(fault, Mishap) or fault.moment not in FETCHING:
        return output.read(timeout=patience)
    return output.save(scene.folder, timeout=patience).read_bytes()


@contextmanager
def _at_submit(scene: Scene, client: Client) -> Iterator[None]:
    """Close the client once its question is before the server."""
    match scene.case.fault:
        case Mishap(name="client_closes", moment="before" | "post"):
            with _meanwhile(scene.bell, client.close):
                yield
        case _:
            yield


@contextmanager
def _at_download(
    scene: Scene, client: Client, job: Job, observed: Observed
) -> Iterator[None]:
    """What happens as the picture is fetched: before its first byte, or half-way."""
    fault = scene.case.fault

    def happen() -> None:
        assert isinstance(fault, Mishap), "it has its moment"
        if fault.name == "user_cancels":
            job.cancel()
        elif fault.name == "client_closes":
            client.close()
        else:
            scene.strike(MISHAPS[fault.name])
        if fault.name not in MISHAPS or not MISHAPS[fault.name].mute:
            scene.half_way.set()

    match fault:
        case Mishap(moment="half_way"):
            with _meanwhile(scene.half_way, happen):
                yield
        case Mishap(name=name, moment="download") if name in ACTS:
            happen()
            yield
        case _:
            yield


@contextmanager
def _meanwhile(bell: Doorbell, happen: Callable[[], None]) -> Iterator[None]:
    """Do something once somebody stands before a gate, while the block goes on."""

    def attend() -> None:
        assert bell.rung.wait(LIMIT_S), "somebody came to the gate"
        happen()

    thread = threading.Thread(target=attend, name="comfyclient-meanwhile")
    thread.start()
    try:
        yield
    finally:
        thread.join()


def _patience(case: Case, *, again: bool) -> float:
    """How long a download may take: not long where it is to be given up."""
    fault = case.fault
    if isinstance(fault, Mishap) and fault.moment in FETCHING:
        mute = fault.name in MISHAPS and MISHAPS[fault.name].mute
        return STALLED_S if mute and not again else DOWNLOAD_S
    never = isinstance(fault, BadAnswer) and fault.route == DOWNLOAD
    return STALLED_S if never and ANSWERS[fault.kind].stalls else DOWNLOAD_S


def _tries(case: Case) -> int:
    """How often a file is asked for: once more than a fault lasts."""
    fault = case.fault
    if isinstance(fault, BadAnswer) and fault.route == DOWNLOAD:
        return 1 if fault.times is None else fault.times + 1
    return 1 if isinstance(fault, Mishap) and fault.name == "client_closes" else 2


def _second_life(scene: Scene, observed: Observed) -> None:
    """Another client takes up what is left to do."""
    client = scene.client()

    def resume() -> None:
        for job in client.resume():
            events = list(job.events())
            observed.resumed.append(events[-1].error)
            if events[-1].error is None:
                output = job.result().output("card")
                observed.picture = _brought_home(scene, output, DOWNLOAD_S)

    _timed(scene, resume)
    observed.row_after = _row(scene.ledger)


def _row(ledger: Path) -> Recorded | None:
    with closing(sqlite3.connect(ledger)) as database:
        states = database.execute("SELECT state FROM comfyclient_job").fetchall()
        ((attempts,),) = database.execute("SELECT count(*) FROM comfyclient_attempt")
    assert len(states) <= 1, "one job was submitted"
    return Recorded(JobState(states[0][0]), attempts) if states else None


def _count(scene: Scene, observed: Observed) -> None:
    servers = scene.servers
    observed.executions = tuple(
        sum(execution.prompt_id != FOREIGN for execution in server.accounts)
        for server in servers
    )
    observed.foreign = tuple(
        execution.ended
        for server in servers
        for execution in server.accounts
        if execution.prompt_id == FOREIGN
    )
    observed.pictures = tuple(
        content
        for server in servers
        for (kind, _, _), content in server.files.items()
        if kind == "output"
    )
    fault = scene.case.fault
    cleared = isinstance(fault, Mishap) and fault.name == "history_cleared"
    observed.allowed = tuple(1 + cleared + _losses(server) for server in servers)


def _losses(server: ScriptedServer) -> int:
    """How often a server lost what it knew, or failed a job so that it is repeated."""
    return server.stage.life + sum(e.ended == "error" for e in server.accounts)


@contextmanager
def _listening(observed: Observed) -> Iterator[None]:
    """Note what the package complains of."""
    log = logging.getLogger("comfyclient")
    ear = logging.Handler(logging.ERROR)
    ear.emit = observed.complaints.append  # type: ignore[method-assign]
    log.addHandler(ear)
    try:
        yield
    finally:
        log.removeHandler(ear)
