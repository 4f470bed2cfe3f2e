"""What became of many jobs, in figures and on one page."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from comfyclient.files.outputs import SavedFile
from comfyclient.ledger.records import AttemptRow, JobRow, JobState, StoredError
from comfyclient.report.jobs import ReportJob, report_job
from comfyclient.report.page import picture_of, render_report
from comfyclient.report.report import Report, as_json, build_report

NOON = datetime(2026, 5, 1, 12, tzinfo=UTC)
FOLDER = Path("/pictures/page")
MODELS = {"poster": "flux1-dev.safetensors", "restyle": "kolors.safetensors"}


def after(seconds: float) -> datetime:
    """A moment, in seconds after noon."""
    return NOON + timedelta(seconds=seconds)


def a_row(
    number: int,
    *,
    begin: float = 0,
    end: float | None = 10,
    worked: float | None = None,
    instance: str = "a",
    template: str | None = "poster@1.0.0",
    state: JobState = JobState.COLLECTED,
    error: StoredError | None = None,
    **more: Any,
) -> JobRow:
    """A job that was taken at `begin` and ended at `end`, after working so long."""
    job_id = f"{number:08d}-1111"
    ended = None if end is None else after(end)
    told: dict[str, Any] = {}
    if ended is not None and worked is not None:
        skewed = ended + timedelta(hours=3)  # the server's clock is another
        told = {
            "started_at": (skewed - timedelta(seconds=worked)).isoformat(),
            "ended_at": skewed.isoformat(),
        }
    attempt = AttemptRow(
        attempt_id=f"t{number}", job_id=job_id, ordinal=1, instance=instance,
        client_id="c", begun_at=after(begin), accepted_at=after(begin),
        prompt_id=f"t{number}", ended_at=ended, error=error,
    )  # fmt: skip
    row = JobRow(
        job_id=job_id, environment="prod", template=template, digest="d" * 64,
        seed=number, params={}, trip_id=f"trip-{number}", idempotency_key=None,
        extra={}, state=state, created_at=after(begin), updated_at=after(begin),
        ended_at=ended, error=error, outputs=(), files=(), owner=None,
        attempts=(attempt,), told=told,
    )  # fmt: skip
    return replace(row, **more)


def a_job(row: JobRow) -> ReportJob:
    """With a graph that names its template's model."""
    name = (row.template or "").partition("@")[0]
    graph: Any = {
        "1": {
            "class_type": "UNETLoader",
            "inputs": {"unet_name": MODELS.get(name, "none")},
            "_meta": {"title": "Model"},
        },
        "2": {"class_type": "KSampler", "inputs": {}},
    }
    return report_job(row, graph)


def a_report(*rows: JobRow) -> Report:
    """Of these jobs, given oldest first."""
    jobs = [a_job(row) for row in reversed(rows)]
    return build_report(jobs, environment="prod", made_at=after(1000))


def a_page(report: Report, thumbnails: dict[Path, str] | None = None) -> str:
    """The report's page in its folder."""
    return render_report(report, folder=FOLDER, thumbnails=thumbnails or {})


class Seen(HTMLParser):
    """The tags and the text of a page, and that its tags close."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(page)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """A tag begins."""
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "img", "br", "input"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """It must be the one that is open."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Text."""
        self.text += data


class TestFigures:
    """What is counted, and how."""

    def test_what_ended_how(self) -> None:
        """Succeeded, without a result, not finished; each job in one of them."""
        failed = StoredError("OutOfMemoryError", "too large")
        report = a_report(
            a_row(1),
            a_row(2, state=JobState.SUCCEEDED),
            a_row(3, state=JobState.FAILED, error=failed),
            a_row(4, state=JobState.LOST),
            a_row(5, state=JobState.CANCELLED),
            a_row(6, state=JobState.RUNNING, end=None),
        )

        assert (report.good, report.bad, report.unfinished) == (2, 3, 1)
        assert {group.kind for group in report.failures} == {
            "OutOfMemoryError", "lost", "cancelled",
        }  # fmt: skip

    def test_work_is_as_long_as_the_server_says_and_ends_when_we_heard(self) -> None:
        """Its clock may be hours off; what is left of the time was waiting."""
        (job,) = a_report(a_row(1, begin=100, end=130, worked=12)).jobs

        assert (job.ran_s, job.queued_s) == (12, 18)

    @pytest.mark.parametrize("told", ["soon", "2026-05-01T12:00:00", 7, None])
    def test_times_that_mean_nothing_are_not_used(self, told: Any) -> None:
        """Then the work lasted from the acceptance to the end."""
        row = replace(a_row(1), told={"started_at": told, "ended_at": told})

        assert a_job(row).ran_s == 10

    def test_quantiles_are_durations_that_were(self) -> None:
        """Nearest rank: a figure somebody waited for, not a mean of two."""
        rows = [a_row(n, end=n, begin=0, worked=n) for n in range(1, 21)]

        (spread,) = a_report(*rows).templates

        assert (spread.quantile(0.5), spread.quantile(0.95)) == (10, 19)

    def test_nodes_are_named_by_title_or_class(self) -> None:
        """And share the time of their template."""
        told = {"node_seconds": {"1": 1.0, "2": 3.0, "9": "x"}}

        report = a_report(a_row(1, told=told))

        shares = {node.spread.name: node.share for node in report.nodes}
        assert shares == {"KSampler": 0.75, "Model": 0.25}

    def test_throughput_counts_every_end_once(self) -> None:
        """In the stretch where it lies, the last moment included."""
        report = a_report(*(a_row(n, begin=n, end=n + 1) for n in range(50)))

        assert sum(one.good for one in report.bins) == 50

    def test_no_job_is_a_report_too(self) -> None:
        """Of nothing."""
        report = a_report()

        assert as_json(report)["jobs"] == 0
        assert "no such jobs" in a_page(report)


class TestLanes:
    """What the instances did."""

    def test_a_swap_is_where_other_models_are_needed(self) -> None:
        """Not for the first job, not for one without models, not back to the same."""
        order = ["poster@1", "poster@1", "postcard@1", "poster@1", "restyle@1"]
        rows = [
            a_row(n, begin=10 * n, end=10 * n + 9, template=template)
            for n, template in enumerate(order)
        ]

        (lane,) = a_report(*rows).lanes

        assert [bar.swap for bar in lane.bars] == [False, False, False, False, True]

    def test_idle_time_counts_against_an_instance(self) -> None:
        """Its share is of the time in which any instance had jobs."""
        report = a_report(
            a_row(1, begin=0, end=100, instance="busy"),
            a_row(2, begin=0, end=25, instance="idle"),
        )

        assert [(lane.instance, lane.busy) for lane in report.lanes] == [
            ("busy", 1.0), ("idle", 0.25),
        ]  # fmt: skip

    def test_an_attempt_that_came_to_nothing_is_shown_where_it_was(self) -> None:
        """With its reason; the job itself ended well elsewhere."""
        lost = StoredError("JobLostError", "the server restarted")
        row = a_row(1, begin=50, end=60)
        first = replace(
            row.attempts[0], attempt_id="t0", instance="b", begun_at=after(0),
            accepted_at=after(0), ended_at=after(20), error=lost,
        )  # fmt: skip
        again = replace(row.attempts[0], ordinal=2)

        report = a_report(replace(row, attempts=(first, again)))

        bars = {lane.instance: lane.bars[0] for lane in report.lanes}
        assert (bars["a"].good, bars["b"].good) == (True, False)
        assert report.sent_again == 1
        assert "JobLostError: the server restarted" in a_page(report)

    def test_a_job_at_work_lasts_until_now(self) -> None:
        """And is no failure."""
        report = a_report(a_row(1, state=JobState.RUNNING, end=None))

        assert report.lanes[0].bars[0].ran.end == after(1000)
        assert 'class="fails"' not in a_page(report)


class TestPage:
    """One file that stands alone."""

    def test_hostile_text_stays_text(self) -> None:
        """In every field that a server, a trip or a caller fills."""
        evil = '</script><img src=x onerror="alert(1)">\'"`{{ 7*7 }}&lt;'
        error = StoredError("JobError", evil, hint=evil)
        row = a_row(
            1, instance=evil, template=f"{evil}@1", state=JobState.FAILED, error=error,
            trip_id=evil, params={"a": evil}, told={"node_seconds": {evil: 1}},
        )  # fmt: skip
        saved = SavedFile(Path(f"/pictures/{evil.replace('/', '_')}.png"), 1, "0")

        seen = Seen(a_page(a_report(replace(row, files=(saved,)))))

        assert seen.open == []
        assert not any("onerror" in attributes for _, attributes in seen.tags)
        assert sum(tag == "script" for tag, _ in seen.tags) == 1
        assert seen.text.count("{{ 7*7 }}") > 3

    def test_pictures_are_linked_from_the_page_on(self) -> None:
        """So that page and pictures can be moved together; odd names survive."""
        name = "绕湖 50%#1?.png"
        files = (
            SavedFile(FOLDER / "notes.txt", 1, "0"),
            SavedFile(FOLDER.parent / "out" / name, 1, "0"),
        )
        report = a_report(a_row(1, files=files))

        page = a_page(report, {files[1].path: "data:image/webp;base64,AAAA"})

        (link,) = re.findall(r'data-full="([^"]*)"', page)
        assert link == "../out/%E7%BB%95%E6%B9%96%2050%25%231%3F.png"
        assert picture_of(report.jobs[0]) == files[1].path
        assert 'src="data:image/webp;base64,AAAA"' in page

    def test_parameters_are_told_as_they_are_written(self) -> None:
        """True and false as in a template; what has no value is left out."""
        params = {"title": None, "footer": "Home", "stops": True, "width": 9.0}
        page = a_page(a_report(replace(a_row(1), params=params)))
        assert "footer = Home, stops = true, width = 9.0<" in page

    def test_nothing_is_fetched(self) -> None:
        """No style, script, font or picture from elsewhere: it works offline."""
        seen = Seen(a_page(a_report(a_row(1))))

        for tag, attributes in seen.tags:
            assert tag not in {"link", "iframe"}
            assert not (attributes.get("src") or "").startswith(("http", "//"))

    def test_a_thousand_jobs(self) -> None:
        """Each has its card and its bar, and the page stays of a size to be sent."""
        rows = [
            a_row(n, begin=n * 3, end=n * 3 + 5, instance=f"i{n % 12}")
            for n in range(1000)
        ]

        page = a_page(a_report(*rows))

        assert page.count('<button class="card') == 1000
        assert len(page) < 3_000_000

    def test_figures_for_a_script(self) -> None:
        """They are JSON, and say what the page says."""
        figures = json.loads(json.dumps(as_json(a_report(a_row(1), a_row(2)))))

        assert (figures["jobs"], figures["succeeded"]) == (2, 2)
        assert figures["instances"][0]["attempts"] == 2
