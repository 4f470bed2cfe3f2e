"""Jobs taken up again: by the same client, another one, or after a process died."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from comfyclient.errors import (
    ConfigError,
    ExecutionError,
    LeaseError,
    OutputMissingError,
    UnclearAnswerError,
    UnknownJobError,
)
from comfyclient.events import Finished, Resubmitted
from comfyclient.jobs.course import JobStatus
from comfyclient.ledger.ledger import Ledger
from comfyclient.ledger.records import JobIntent, JobState
from comfyclient.testing.bench import GRAPH
from comfyclient.testing.clock import FakeClock
from comfyclient.testing.fault_proxy import FaultProxy
from comfyclient.testing.http_wire import Reply
from comfyclient.testing.play import Hold, failing, usual
from comfyclient.testing.scripted import ScriptedServer
from comfyclient.workflow import NamedOutput, Workflow

from ...scenes import held
from .houses import WORKFLOW, House, once, sent_in_time


@pytest.fixture
def proxy(server: ScriptedServer) -> Iterator[FaultProxy]:
    """Another way to the same server."""
    with FaultProxy(server.url) as proxy:
        yield proxy


class TestAfterAClientIsGone:
    """Another client of the environment goes on where the first one stopped."""

    def test_while_it_runs(self, house: House, server, gate, tmp_path) -> None:
        """A running job is followed to its end; it runs once."""
        server.play(held(gate))
        first = house.client(server.url)
        job_id = first.submit(WORKFLOW).id
        first.close()
        second = house.client(server.url)
        (job,) = second.resume()
        assert job.id == job_id
        gate.set()
        result = job.result()
        assert result.output("card").save(tmp_path / "card.png").exists()
        assert server.executions.total() == 1
        assert house.row(job_id).state is JobState.COLLECTED

    def test_after_it_ended(self, house: House, server, gate) -> None:
        """A job that ended while nobody followed it has its result."""
        server.play(held(gate))
        first = house.client(server.url)
        job_id = first.submit(WORKFLOW).id
        first.close()
        gate.set()
        server.await_that(lambda: server.stage.history)
        (job,) = house.client(server.url).resume()
        assert job.id == job_id
        assert job.result().outputs
        assert isinstance(list(job.events())[-1], Finished)

    def test_finished_but_not_saved(self, house: House, server, tmp_path) -> None:
        """A job whose outputs were not brought home is handed out again, whole."""
        first = house.client(server.url)
        before = first.submit(WORKFLOW).result()
        first.close()
        second = house.client(server.url)
        (job,) = second.resume()
        result = job.result()
        assert result.provenance == before.provenance
        result.save_all(tmp_path / "out")
        second.close()
        assert house.client(server.url).resume() == []

    def test_read_is_brought_home(self, house: House, server) -> None:
        """Outputs that were read need no resuming."""
        first = house.client(server.url)
        first.submit(WORKFLOW).result().outputs[0].read()
        first.close()
        assert house.client(server.url).resume() == []

    def test_named_ones_are_all(self, house: House, server, tmp_path) -> None:
        """Where outputs have names, those are what has to come home."""
        graph = {
            **GRAPH,
            "3": {"class_type": "PreviewImage", "inputs": {"images": ["1", 0]}},
        }
        named = Workflow.from_graph(graph, outputs=[NamedOutput("card", "2")])
        first = house.client(server.url)
        job = first.submit(named)
        result = job.result()
        assert len(result.outputs) == 2
        result.output("card").save(tmp_path)
        assert house.row(job.id).state is JobState.COLLECTED

    def test_its_outputs_are_gone(self, house: House, server, tmp_path) -> None:
        """Outputs that the server lost before they came home are made again."""
        first = house.client(server.url)
        job_id = first.submit(WORKFLOW).result().provenance.job_id
        first.close()
        server.files.clear()
        (job,) = house.client(server.url).resume()
        assert job.result().output("card").save(tmp_path).exists()
        assert any(isinstance(event, Resubmitted) for event in job.events())
        row = house.row(job_id)
        assert row.state is JobState.COLLECTED
        assert [a.error.kind for a in row.attempts if a.error] == ["JobLostError"]

    def test_its_outputs_are_gone_for_good(self, house: House, server) -> None:
        """With no budget for it, the job has succeeded, and saving tells."""
        first = house.client(server.url)
        first.submit(WORKFLOW).result()
        first.close()
        server.files.clear()
        second = house.client(server.url, policies={"resubmit_lost": 0})
        (job,) = second.resume()
        with pytest.raises(OutputMissingError):
            job.result().outputs[0].read()
        assert server.executions.total() == 1

    def test_its_outputs_cannot_be_looked_for(self, house: House, server) -> None:
        """A server that does not answer may still have them: nothing runs again."""
        first = house.client(server.url)
        first.submit(WORKFLOW).result()
        first.close()
        server.always("GET /view", Reply(500))
        (job,) = house.client(server.url).resume()
        assert job.result().outputs
        assert server.executions.total() == 1

    def test_no_output_to_bring_home(self, house: House, server) -> None:
        """A job that shows text alone is collected with its result, which is kept."""
        graph = {
            "1": {"class_type": "PreviewAny", "inputs": {"source": "hello"}},
        }
        first = house.client(server.url)
        job = first.submit(Workflow.from_graph(graph))
        assert job.result().values["1"]["text"] == ["hello"]
        first.close()
        second = house.client(server.url)
        assert second.resume() == []
        assert second.job(job.id).result().values["1"]["text"] == ["hello"]

    def test_lost_meanwhile(self, house: House, server, gate) -> None:
        """A job that the server lost while nobody followed is sent again."""
        server.play(once(held(gate)))
        first = house.client(server.url)
        job_id = first.submit(WORKFLOW).id
        first.close()
        server.restart()
        (job,) = house.client(server.url).resume()
        assert job.result().outputs
        row = house.row(job_id)
        assert len(row.attempts) == 2
        assert row.attempts[0].error.kind == "JobLostError"
        assert any(isinstance(e, Resubmitted) for e in job.events())

    def test_intended_but_not_sent(self, house: House, server) -> None:
        """A job that was only written down is sent."""
        intent = JobIntent(
            job_id="4b5f3e5c-0c0c-4f0e-9e0e-1d2c3b4a5f60",
            environment="test",
            digest=WORKFLOW.digest,
            graph=dict(WORKFLOW.graph),
        )
        with Ledger(house.ledger).open() as ledger:
            ledger.intend(intent)
        (job,) = house.client(server.url).resume()
        assert job.result().outputs
        assert server.executions.total() == 1

    def test_its_instance_is_gone(self, house: House, server, gate, proxy) -> None:
        """A job on an instance that is not configured any more stays open, and says
        so."""
        server.play(held(gate))
        first = house.client(server.url, proxy.url)
        jobs = {first.submit(WORKFLOW).instance: None for _ in range(2)}
        assert set(jobs) == {"n0", "n1"}
        first.close()
        second = house.client(server.url)
        gate.set()
        (left,) = [job for job in second.resume() if job.instance == "n1"]
        with pytest.raises(UnclearAnswerError, match="'n1', which is not configured"):
            left.result()
        assert not house.row(left.id).state.terminal
        second.close()
        third = house.client(server.url, proxy.url)
        assert third.job(left.id).result().outputs
        assert server.executions.total() == 2

    def test_a_finished_one_of_an_instance_that_is_gone(
        self, house: House, server, tmp_path
    ) -> None:
        """Its result is told; its files say where they are."""
        first = house.client("http://127.0.0.1:9", server.url)
        job = first.submit(WORKFLOW)
        job.result()
        assert job.instance == "n1"
        first.close()
        again = house.client(server.url).job(job.id)
        assert again.instance == "n1"
        with pytest.raises(ConfigError, match="'n1', which is not configured"):
            again.result().outputs[0].save(tmp_path)


class TestUnclear:
    """An attempt of which nobody knows whether it arrived is asked for first."""

    @pytest.mark.parametrize("version", ["0.3.40", "0.33.0"])
    @pytest.mark.parametrize("arrived", [True, False])
    def test_it_is_asked_for(self, house: House, version: str, arrived: bool) -> None:
        """What arrived is followed, what did not is sent again; it runs once."""
        with ScriptedServer(version=version) as server:
            server.answer("POST /prompt", Reply.lost(acts=arrived))
            for route in ("GET /api/jobs/{id}", "GET /queue", "GET /history/{id}"):
                server.always(route, Reply.lost(acts=False))
            first = house.client(server.url)
            with pytest.raises(UnclearAnswerError) as caught:
                first.submit(WORKFLOW)
            row = house.row(caught.value.job_id)
            assert (row.unclear is not None, row.owner) == (True, None)
            for route in ("GET /api/jobs/{id}", "GET /queue", "GET /history/{id}"):
                server.always(route, None)
            (job,) = first.resume()
            assert job.result().outputs
            assert server.executions.total() == 1
            assert len(house.row(job.id).attempts) == (1 if arrived else 2)

    def test_by_its_id(self, house: House, server) -> None:
        """Asking for the job by its id takes it up again, too."""
        server.answer("POST /prompt", Reply.lost(acts=True))
        server.always("GET /api/jobs/{id}", Reply.lost(acts=False))
        server.always("GET /queue", Reply.lost(acts=False))
        client = house.client(server.url)
        with pytest.raises(UnclearAnswerError) as caught:
            client.submit(WORKFLOW)
        server.always("GET /api/jobs/{id}", None)
        server.always("GET /queue", None)
        assert client.job(caught.value.job_id).result().outputs
        assert server.executions.total() == 1

    def test_it_cannot_be_asked_for_in_time(self, house: House, server) -> None:
        """Where nobody answers until the job's time is over, it stays open."""
        server.answer("POST /prompt", Reply.lost(acts=True))
        for route in ("GET /api/jobs/{id}", "GET /queue", "GET /history/{id}"):
            server.always(route, Reply.lost(acts=False))
        client = house.client(server.url, deadlines={"total_s": 2})
        with pytest.raises(UnclearAnswerError) as caught:
            client.submit(WORKFLOW)
        (job,) = client.resume()
        with pytest.raises(UnclearAnswerError, match="could not be asked"):
            job.result()
        assert house.row(caught.value.job_id).unclear is not None
        assert server.asked["POST /prompt"] == 1


class TestTwoClients:
    """A job has one owner; another client sees it through the ledger."""

    def test_a_living_ones_job_stays_with_it(self, house: House, server, gate) -> None:
        """Resuming takes nothing from a living client."""
        server.play(held(gate))
        first, second = house.client(server.url), house.client(server.url)
        job = first.submit(WORKFLOW)
        assert second.resume() == []
        gate.set()
        assert job.result().outputs

    def test_it_is_seen_from_afar(self, house: House, server, gate, tmp_path) -> None:
        """The other client's handle tells how the job stands, and has its result."""
        server.play(held(gate))
        first, second = house.client(server.url), house.client(server.url)
        mine = first.submit(WORKFLOW)
        other = second.job(mine.id)
        assert other == mine
        assert not other.status.final
        assert other.instance == "n0"
        gate.set()
        assert other.result().save_all(tmp_path)[0].exists()
        assert mine.result().provenance == other.result().provenance
        assert server.executions.total() == 1

    def test_a_failure_is_seen_from_afar(self, house: House, server, gate) -> None:
        """So is the error, by its class and words."""
        server.play(lambda job: [*usual(job)[:3], Hold(gate), *failing(job, "2")])
        first, second = house.client(server.url), house.client(server.url)
        other = second.job(first.submit(WORKFLOW).id)
        gate.set()
        with pytest.raises(ExecutionError, match="boom") as caught:
            other.result()
        assert caught.value.node_id == "2"

    def test_it_is_taken_over(self, house: House, server, gate) -> None:
        """When its client is gone, the one that watched goes on with it."""
        server.play(held(gate))
        first, second = house.client(server.url), house.client(server.url)
        other = second.job(first.submit(WORKFLOW).id)
        first.close()
        gate.set()
        assert other.result().outputs
        assert other.cancel() is JobStatus.SUCCEEDED
        assert server.executions.total() == 1

    def test_it_is_not_cancelled_from_afar(self, house: House, server, gate) -> None:
        """Cancelling is its owner's; the error names that one."""
        server.play(held(gate))
        first, second = house.client(server.url), house.client(server.url)
        mine = first.submit(WORKFLOW)
        with pytest.raises(LeaseError, match="belongs to"):
            second.job(mine.id).cancel()
        gate.set()
        assert second.job(mine.id).result().outputs

    def test_another_environments_job(self, house: House, server) -> None:
        """A job is not to be had through another environment."""
        first, second = house.client(server.url), house.client(server.url, name="prod")
        job = first.submit(WORKFLOW)
        job.result()
        with pytest.raises(UnknownJobError, match=r"'test'.*'prod'"):
            second.job(job.id)
        assert second.resume() == []


def test_a_job_that_runs_on_is_written_down_as_running(house, server, gate) -> None:
    """The ledger knows what runs, once it has run for a while."""
    server.play(held(gate))
    clock = FakeClock()
    client = house.client(server.url, clock=clock)
    with ThreadPoolExecutor(1) as pool:
        job = sent_in_time(pool.submit(client.submit, WORKFLOW), clock)
        while house.row(job.id).state is not JobState.RUNNING:
            clock.advance(0.2)
        gate.set()
        assert sent_in_time(pool.submit(job.result), clock).outputs


def test_a_row_that_was_tampered_with_hides_no_other_job(house, server, caplog) -> None:
    """What cannot be resumed is named; the others are resumed."""
    client = house.client(server.url)
    for _ in range(2):
        client.submit(WORKFLOW).result()
    client.close()
    with Ledger(house.ledger).open() as ledger:
        newest = ledger.jobs()[0].job_id
        ledger.intend(
            JobIntent(job_id="x", environment="test", digest="d", graph={"1": []})
        )
    jobs = house.client(server.url).resume()
    assert len(jobs) == 2
    assert newest in {job.id for job in jobs}
    assert "job x cannot be resumed" in caplog.text
