"""Every submit checks its graph first, and passes over who would not run it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from comfyclient.client import Client
from comfyclient.config.settings import Settings
from comfyclient.errors import (
    InputFileError,
    MissingNodeError,
    ValidationError,
    WrongVersionError,
)
from comfyclient.ledger.ledger import Ledger
from comfyclient.ledger.records import JobState
from comfyclient.preflight.snapshots import Snapshot
from comfyclient.templating.registry import Registry
from comfyclient.testing import Reply, ScriptedServer, offered
from comfyclient.testing.bench import GRAPH
from comfyclient.trip.trips import load_trip
from comfyclient.workflow import Workflow


def saving(node_id: str) -> dict[str, Any]:
    """A node that saves another one's picture."""
    return {**GRAPH["2"], "inputs": {**GRAPH["2"]["inputs"], "images": [node_id, 0]}}


PLAIN = Workflow.from_graph(GRAPH)
STYLE = {"class_type": "StyleTransfer", "inputs": {}, "_meta": {"title": "Ink"}}
STYLED = Workflow.from_graph({"1": STYLE, "2": saving("1")})
CORE = offered("EmptyImage", "SaveImage")
PACK = offered("EmptyImage", "SaveImage", "StyleTransfer")


@pytest.fixture
def server() -> Iterator[Callable[..., ScriptedServer]]:
    """A factory of servers."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(ScriptedServer(**options))


@pytest.fixture
def client(tmp_path: Path) -> Iterator[Callable[..., Client]]:
    """A factory of clients, with one ledger and one cache."""
    with ExitStack() as stack:

        def make(*servers: ScriptedServer, **options: Any) -> Client:
            settings = Settings.model_validate(
                {
                    "default_environment": "test",
                    "cache": tmp_path / "cache",
                    "environments": {
                        "test": {
                            "ledger": f"sqlite:///{tmp_path / 'jobs.db'}",
                            "instances": [
                                {"name": f"gpu-{number}", "url": one.url}
                                for number, one in enumerate(servers)
                            ],
                            **options,
                        }
                    },
                }
            )
            return stack.enter_context(Client(settings))

        yield make


def test_an_instance_that_lacks_a_class_is_passed_over(server, client) -> None:
    """The job runs where the class is, and the other one hears nothing of it."""
    bare, equipped = server(offers=CORE), server(offers=PACK)

    results = [client(bare, equipped).run(STYLED) for _ in range(2)]

    assert {one.provenance.instance for one in results} == {"gpu-1"}
    assert bare.asked["POST /prompt"] == 0
    assert equipped.asked["POST /prompt"] == 2


def test_where_no_instance_has_it_all_are_named(server, client, tmp_path) -> None:
    """One error, each problem once, with the instances that it is one on."""
    servers = server(offers=CORE), server(offers=offered("SaveImage"))
    also_plain = {"3": GRAPH["1"], "4": saving("3")}

    with pytest.raises(MissingNodeError) as caught:
        client(*servers).submit(Workflow.from_graph({**STYLED.graph, **also_plain}))

    where = {one.class_type: one.instances for one in caught.value.issues}
    assert where == {
        "StyleTransfer": ("gpu-0", "gpu-1"),
        "EmptyImage": ("gpu-1",),
    }
    assert "node 1 (StyleTransfer “Ink”): the server has no node class" in str(
        caught.value
    )
    assert "(on gpu-0, gpu-1)" in str(caught.value)
    assert all(one.asked["POST /prompt"] == 0 for one in servers)
    with Ledger(tmp_path / "jobs.db").open() as ledger:
        (row,) = ledger.jobs(environment="test")
        assert row.state is JobState.FAILED
        assert row.attempts == ()


def test_the_error_names_slot_and_line(server, client) -> None:
    """Of a template, the line and the expression that gave the value."""
    template = Registry().find("trip-postcard")
    classes = {n["class_type"] for n in template_graph(template).values()}
    offers = offered("SaveImage", *classes - {"TripPaper"})

    with pytest.raises(ValidationError) as caught:
        client(server(offers=offers)).submit(
            "trip-postcard", load_trip(template.sample_trip)
        )

    missing = [one for one in caught.value.issues if one.class_type == "TripPaper"]
    assert missing
    assert all(one.place.template == template.ref for one in missing)
    assert all(one.place.line > 1 for one in missing)


def template_graph(template) -> dict[str, Any]:
    """The graph of a template's sample."""
    trip = load_trip(template.sample_trip).for_publishing()
    return dict(template.render(trip, seed=1).graph)


def test_what_differs_from_instance_to_instance(server, client) -> None:
    """A value that one of them takes goes there, whatever is wrong on the other."""
    small = offered("EmptyImage", "SaveImage")
    small["EmptyImage"]["input"]["required"]["width"] = ["INT", {"max": 32}]
    narrow, wide = server(offers=small), server(offers=CORE)

    result = client(narrow, wide).run(PLAIN)

    assert result.provenance.instance == "gpu-1"
    with pytest.raises(ValidationError) as caught:
        client(narrow).submit(PLAIN)
    assert [one.input_name for one in caught.value.issues] == ["width"]
    assert narrow.asked["POST /prompt"] == 0


def test_a_server_is_asked_once_for_many_jobs(server, client) -> None:
    """And not at all by the next process: no job costs a request of its own."""
    one = server(offers=CORE)
    first = client(one)
    for _ in range(5):
        first.run(PLAIN)
    first.close()

    client(one).run(PLAIN)

    assert one.asked["GET /object_info"] == 1
    assert one.asked["GET /system_stats"] == 3  # each client, and before object_info


def test_threads_that_begin_together_ask_once(server, client) -> None:
    """The first one asks, and the others wait for its answer."""
    one = server(offers=CORE)
    mine = client(one)

    with ThreadPoolExecutor(8) as pool:
        done = list(pool.map(lambda _: mine.run(PLAIN), range(8)))

    assert len(done) == 8
    assert one.asked["GET /object_info"] == 1


def test_a_server_that_does_not_tell_decides_itself(server, client) -> None:
    """No job fails for want of an answer; the server's own word stands."""
    one = server()
    one.answer("POST /prompt", Reply.of_json(refusal("1"), status=400))

    with pytest.raises(MissingNodeError, match="server refused"):
        client(one).submit(STYLED)


def refusal(node_id: str) -> dict[str, Any]:
    """What ComfyUI 0.33 says of a class that it does not have."""
    extra = {"node_id": node_id, "class_type": "StyleTransfer", "node_title": "Ink"}
    message = "Node 'Ink' not found. The custom node may not be installed."
    error = {"type": "missing_node_type", "message": message, "details": ""}
    return {"error": {**error, "extra_info": extra}, "node_errors": {}}


@pytest.mark.parametrize("preflight", ["warn", "off"])
def test_it_may_be_switched_off(server, client, preflight, caplog) -> None:
    """Then the graph is sent; with `warn`, what was found is logged."""
    one = server(offers=CORE)

    assert client(one, preflight=preflight).run(STYLED).outputs
    assert one.asked["GET /object_info"] == (preflight == "warn")
    assert ("no node class StyleTransfer" in caplog.text) is (preflight == "warn")


def test_a_saved_snapshot_decides_where_it_is_configured(
    server, client, tmp_path
) -> None:
    """No server is asked; a file that cannot be used is told before anything."""
    one = server()
    told = client(server(offers=CORE, version="0.33.0"))
    told.run(PLAIN)
    (kept,) = (tmp_path / "cache").rglob("*.json.gz")
    saved = tmp_path / "test.json.gz"
    Snapshot.read(kept).write(saved)

    with pytest.raises(MissingNodeError, match="by the snapshot of"):
        client(one, snapshot=saved).submit(STYLED)
    assert one.asked["GET /object_info"] == 0
    saved.write_bytes(b"{}")
    with pytest.raises(InputFileError, match=r"test\.json\.gz.*no snapshot"):
        client(one, snapshot=saved).submit(PLAIN)


def test_the_declared_version_counts_first(server, client) -> None:
    """A server outside the range is not asked what it offers."""
    old = server(version="0.3.12", offers=CORE)

    with pytest.raises(WrongVersionError):
        client(old, comfyui_version=">=0.3.45").submit(STYLED)
    assert old.asked["GET /object_info"] == 0


def test_a_part_of_a_graph_may_be_let_go(server, client) -> None:
    """With `allow_partial`, what the server would drop keeps nothing from running."""
    empty = GRAPH["1"]
    graph = {
        **GRAPH,
        "3": {**empty, "inputs": {**empty["inputs"], "width": -1}},
        "4": saving("3"),
    }
    workflow = Workflow.from_graph(graph)
    one = server(offers=CORE)

    with pytest.raises(ValidationError):
        client(one).submit(workflow)
    assert client(one).submit(workflow, allow_partial=True).result().outputs
