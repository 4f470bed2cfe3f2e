"""Temp outputs brought home at once: whole, once, within limits, and not for ever."""

from __future__ import annotations

import os
import stat
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from comfyclient.errors import OutputDamagedError, OutputError, OutputMissingError
from comfyclient.files.outputs import Output
from comfyclient.files.refs import WHOLE, ByteSpan, Download, OutputRef
from comfyclient.jobs.sheltering import (
    COLLECTED_KEPT,
    KEPT_S,
    JobShelter,
    Lodging,
    Shelter,
)
from comfyclient.storage.mount import MountStorage
from comfyclient.timing import Deadline


class ByHand:
    """Errands that are done when the test says so."""

    closed = False

    def __init__(self) -> None:
        self.waiting: deque[Callable[[], None]] = deque()

    def do(self, errand: Callable[[], None], *, after: float = 0) -> bool:
        """Later."""
        self.waiting.append(errand)
        return True

    def run(self) -> None:
        """All of them."""
        while self.waiting:
            self.waiting.popleft()()


class Server:
    """A service's folder, which counts how often each file is opened."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.opened: Counter[str] = Counter()
        self.gate: threading.Event | None = None
        self.reached = threading.Event()
        self._storage = MountStorage(root, visible_s=0)

    def make(self, name: str, content: bytes) -> OutputRef:
        """A temp file of it."""
        (self.root / "temp").mkdir(parents=True, exist_ok=True)
        (self.root / "temp" / name).write_bytes(content)
        return OutputRef("2", "images", name, type="temp")

    def restart(self) -> None:
        """ComfyUI empties temp/ then."""
        for file in (self.root / "temp").iterdir():
            file.unlink()

    @contextmanager
    def open(
        self, ref: OutputRef, deadline: Deadline, *, span: ByteSpan = WHOLE
    ) -> Iterator[Download]:
        """The file, once the gate is open."""
        self.opened[ref.filename] += 1
        gate = self.gate
        self.reached.set()
        if gate is not None:
            assert gate.wait(20)
        with self._storage.open(ref, deadline, span=span) as download:
            yield download


class House:
    """A service, and the shelter for its jobs."""

    def __init__(self, folder: Path) -> None:
        self.cache = folder / "cache"
        self.server = Server(folder / "service")
        self.errands = ByHand()
        self.shelter = self.another()

    def another(self, **options: int) -> Shelter:
        """The shelter of one more process, or with other limits."""
        errands: object = self.errands
        return Shelter("test", errands, cache=self.cache, **options)  # type: ignore[arg-type]

    def lodging(self, prompt_id: str = "p") -> Lodging:
        """Where the outputs of one attempt are."""
        return Lodging(self.server.open, "n0", prompt_id)

    def begin(
        self, *refs: OutputRef, job_id: str = "j", shelter: Shelter | None = None
    ) -> JobShelter:
        """A job that has ended with these."""
        job = (shelter or self.shelter).job(job_id)
        job.begin(refs, self.lodging)
        return job

    def output(self, job: JobShelter, ref: OutputRef, prompt_id: str = "p") -> Output:
        """One of a job's."""
        return Output(ref, job.opener(self.lodging(prompt_id)))

    def kept(self) -> list[Path]:
        """Every file in the cache."""
        return [path for path in self.cache.rglob("*") if path.is_file()]


@pytest.fixture
def house(tmp_path: Path) -> House:
    """A service without files yet."""
    return House(tmp_path)


def test_it_outlives_the_server(house: House) -> None:
    """What was brought home is read there, in every way."""
    ref = house.server.make("湖 %.png", b"picture")
    job = house.begin(ref)
    house.errands.run()
    house.server.restart()
    output = house.output(job, ref)
    assert output.read() == b"picture"
    assert b"".join(output.stream()) == b"picture"
    assert output.save(house.cache.parent / "home").read_bytes() == b"picture"
    assert house.server.opened == {ref.filename: 1}


def test_only_its_owner_reads_it(house: House) -> None:
    """No other user of the machine does, and no name of the server's is a path here."""
    ref = house.server.make("a.png", b"picture")
    house.begin(ref)
    house.errands.run()
    (file,) = house.kept()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for folder in (file.parent, file.parent.parent, file.parent.parent.parent):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert file.parent == house.cache / "temp" / "test" / "j"
    assert "a.png" not in file.name


def test_nothing_is_done_without_temp_outputs(house: House) -> None:
    """No errand, no folder; and other files are read where they are."""
    folder = house.server.root / "output"
    folder.mkdir(parents=True)
    (folder / "a.png").write_bytes(b"saved")
    ref = OutputRef("2", "images", "a.png")
    job = house.begin(ref)
    assert not house.errands.waiting
    assert house.output(job, ref).read() == b"saved"
    job.collected()
    house.shelter.close()
    assert not house.cache.exists()


def test_whoever_comes_first_brings_it_home(house: House) -> None:
    """A caller who is faster than the errand: it is fetched once all the same."""
    ref = house.server.make("a.png", b"picture")
    job = house.begin(ref)
    assert house.output(job, ref).read() == b"picture"
    house.errands.run()
    assert house.server.opened == {"a.png": 1}
    assert len(house.kept()) == 1


def test_whoever_was_faster_than_that_has_it(house: House) -> None:
    """What was saved before the job's end was told here is fetched no more."""
    ref = house.server.make("a.png", b"picture")
    job = house.shelter.job("j")
    assert house.output(job, ref).read() == b"picture"
    job.collected()
    job.begin([ref], house.lodging)
    assert not house.errands.waiting
    assert not house.cache.exists()


def test_a_caller_without_time(house: House) -> None:
    """Whoever cannot wait for the errand asks the server, with what time is left."""
    ref = house.server.make("a.png", b"picture")
    job = house.begin(ref)
    house.server.gate = threading.Event()
    errand = threading.Thread(target=house.errands.run)
    errand.start()
    assert house.server.reached.wait(20)
    house.server.gate, gate = None, house.server.gate
    with pytest.raises(OutputDamagedError, match="not read within"):
        house.output(job, ref).read(timeout=0)
    gate.set()
    errand.join(20)
    assert house.output(job, ref).read() == b"picture"


def test_a_caller_waits_for_the_errand(house: House) -> None:
    """While it is on its way it is not fetched a second time."""
    ref = house.server.make("a.png", b"picture")
    job = house.begin(ref)
    house.server.gate = threading.Event()
    errand = threading.Thread(target=house.errands.run)
    errand.start()
    assert house.server.reached.wait(20)
    read: list[bytes] = []
    output = house.output(job, ref)
    caller = threading.Thread(target=lambda: read.append(output.read()))
    caller.start()
    house.server.gate.set()
    caller.join(20)
    errand.join(20)
    assert read == [b"picture"]
    assert house.server.opened == {"a.png": 1}


def test_beyond_the_limit_it_stays(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """The first ones that fit come; the others are read where they are."""
    refs = [house.server.make(f"{n}.png", bytes([n]) * 60) for n in range(2)]
    job = house.begin(*refs, shelter=house.another(most=100))
    house.errands.run()
    assert len(house.kept()) == 1
    assert "1.png is larger than 40 bytes" in caplog.text
    house.server.opened.clear()
    for ref in refs:
        assert len(house.output(job, ref).read()) == 60
    assert house.server.opened == {"1.png": 1}


def test_two_that_come_at_once_keep_to_the_limit(house: House) -> None:
    """Each fits by itself; together they do not, and one is dropped."""
    refs = [house.server.make(f"{n}.png", bytes([n]) * 60) for n in range(2)]
    job = house.begin(*refs, shelter=house.another(most=100))
    house.server.gate = threading.Event()
    outputs = [house.output(job, ref) for ref in refs]
    read: list[bytes] = []
    callers = [
        threading.Thread(target=lambda o=output: read.append(o.read()))
        for output in outputs
    ]
    for caller in callers:
        caller.start()
        assert house.server.reached.wait(20)
        house.server.reached.clear()
    house.server.gate.set()
    for caller in callers:
        caller.join(20)
    assert sorted(read) == [b"\0" * 60, b"\1" * 60]
    assert [file.stat().st_size for file in house.kept()] == [60]


def test_one_that_is_gone_already(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged; the others still come; who saves it hears why it is gone."""
    refs = [house.server.make(f"{n}.png", b"x") for n in range(2)]
    (house.server.root / "temp" / "0.png").unlink()
    job = house.begin(*refs)
    house.errands.run()
    assert "job j: a temp output stays where it is" in caplog.text
    with pytest.raises(OutputMissingError) as caught:
        house.output(job, refs[0]).read()
    assert "empties temp/" in str(caught.value)
    house.server.restart()
    assert house.output(job, refs[1]).read() == b"x"


def test_a_cache_that_cannot_be_written(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    """Outputs are read where they are, as if there were none."""
    house.cache.write_text("no folder")
    ref = house.server.make("a.png", b"picture")
    job = house.begin(ref)
    house.errands.run()
    assert "cannot be written" in caplog.text
    assert house.output(job, ref).read() == b"picture"


def test_an_output_that_is_too_large_for_its_reader(house: House) -> None:
    """The reader's own limit holds as before."""
    ref = house.server.make("a.png", b"picture")
    job = house.begin(ref)
    with pytest.raises(OutputError, match="larger than 3"):
        house.output(job, ref).read(limit=3)


def test_another_attempt_has_other_files(house: House) -> None:
    """A job that is made again may use a name again: its picture is the new one."""
    job = house.begin(house.server.make("a.png", b"first"))
    house.errands.run()
    ref = house.server.make("a.png", b"second")
    assert house.output(job, ref, "another").read() == b"second"


def test_another_process_finds_it(house: House) -> None:
    """It need not ask the server, and no half of a file stands under the name."""
    ref = house.server.make("a.png", b"picture")
    house.begin(ref)
    house.errands.run()
    (file,) = house.kept()
    part = file.with_name(f".{file.name}.01234567.part")
    part.write_bytes(b"pict")  # of a process that was killed
    house.server.restart()
    job = house.begin(ref, shelter=house.another())
    house.errands.run()
    assert house.output(job, ref).read() == b"picture"
    assert house.server.opened == {"a.png": 1}
    job.collected()
    house.shelter.close()
    assert house.kept()
    job._shelter.close()
    assert not house.kept()


def test_what_was_collected_goes_when_the_client_closes(house: House) -> None:
    """Until then it may be saved once more; what was not collected stays."""
    refs = [house.server.make(f"{n}.png", b"x") for n in range(2)]
    jobs = [house.begin(ref, job_id=f"j{n}") for n, ref in enumerate(refs)]
    house.errands.run()
    jobs[0].collected()
    house.server.restart()
    assert house.output(jobs[0], refs[0]).read() == b"x"
    house.shelter.close()
    assert [file.parent.name for file in house.kept()] == ["j1"]


def test_a_client_that_never_closes(house: House) -> None:
    """Of the jobs that were collected, the last ones alone have files here."""
    ref = house.server.make("a.png", b"x")
    for number in range(COLLECTED_KEPT + 3):
        job = house.begin(ref, job_id=f"j{number}")
        house.errands.run()
        job.collected()
    assert len(house.kept()) == COLLECTED_KEPT


def test_what_nobody_collects_goes_after_a_day(house: House) -> None:
    """Of whatever environment, and what a killed process was at with it."""
    ref = house.server.make("a.png", b"x")
    house.begin(ref, job_id="old")
    house.errands.run()
    (file,) = house.kept()
    (file.parent / f".{file.name}.01234567.part").write_bytes(b"half")
    foreign = house.cache / "temp" / "prod" / "older"
    foreign.mkdir(parents=True)
    (foreign / "file").write_bytes(b"x")
    before = time.time() - KEPT_S - 1
    for folder in (file.parent, foreign):
        os.utime(folder, (before, before))
    house.begin(ref, job_id="new", shelter=house.another())
    house.errands.run()
    assert {kept.parent.name for kept in house.kept()} == {"new"}
