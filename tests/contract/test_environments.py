"""Test and prod in one process: nothing crosses, and each runs what its lock says."""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from comfyclient.cli import app
from comfyclient.client import Client
from comfyclient.config.settings import Settings, load_settings
from comfyclient.errors import ConfigError, PinError, UnknownJobError, UsageError
from comfyclient.job import Job
from comfyclient.ledger.ledger import Ledger
from comfyclient.ledger.records import JobState
from comfyclient.local.engine import EmbeddedEngine
from comfyclient.pins.locked import Lock, LockedVersion
from comfyclient.pins.lockfile import update_lock
from comfyclient.templating.folders import bump_template
from comfyclient.templating.registry import Registry
from comfyclient.testing.bench import GRAPH
from comfyclient.testing.script import Script
from comfyclient.testing.scripted import ScriptedServer
from comfyclient.trip.trips import load_trip
from comfyclient.workflow import Workflow

ENVIRONMENTS = {"test": "0.33.0", "prod": "0.3.40"}
"""The ComfyUI version of each."""
NOW = datetime(2026, 5, 1, 12, tzinfo=UTC)


def settings_of(urls: dict[str, str], ledger: Path, **prod: object) -> Settings:
    """Two environments with one ledger."""
    return Settings.model_validate(
        {
            "default_environment": "test",
            "environments": {
                name: {
                    "instances": [{"name": f"{name}-a", "url": url}],
                    "ledger": f"sqlite:///{ledger}",
                    **(prod if name == "prod" else {}),
                }
                for name, url in urls.items()
            },
        }
    )


@pytest.fixture
def engines(tmp_path: Path) -> Iterator[dict[str, EmbeddedEngine]]:
    """One for each environment, with folders of its own."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(EmbeddedEngine(tmp_path / name, version=version))
            for name, version in ENVIRONMENTS.items()
        }


class TestNothingCrosses:
    """Two servers of different versions, one process, one ledger."""

    def test_two_hundred_jobs(self, engines, tmp_path: Path) -> None:
        """No file, row or event of one environment is found in the other."""
        urls = {name: engine.url for name, engine in engines.items()}
        settings = settings_of(urls, tmp_path / "jobs.db")
        names = [*ENVIRONMENTS] * 100
        random.Random(7).shuffle(names)
        with ExitStack() as stack, ThreadPoolExecutor(4) as pool:
            clients = {
                name: stack.enter_context(Client(settings, environment=name))
                for name in ENVIRONMENTS
            }
            work = [(name, number) for number, name in enumerate(names)]
            done = list(pool.map(lambda one: self._run(clients, *one), work))
            self._check_handles(clients, done)
        self._check_rows(tmp_path / "jobs.db", done)
        self._check_folders(engines, done)

    def _run(self, clients: dict[str, Client], name: str, number: int):
        """One job, with a picture and a folder that tell whose it is."""
        graph = {
            "1": {**GRAPH["1"], "inputs": {**GRAPH["1"]["inputs"], "color": number}},
            "2": {**GRAPH["2"], "inputs": {"images": ["1", 0], "filename_prefix": "p"}},
        }
        made = Workflow.from_graph(graph)
        workflow = Workflow(made.graph, template="card@1.0.0", own_prefix=False)
        job = clients[name].submit(workflow)
        result = job.result()
        (output,) = result.outputs
        assert output.ref.subfolder == f"{name}/card/{job.id}"
        assert result.provenance.instance == f"{name}-a"
        events = [str(event) for event in job.events()]
        return name, job.id, output.read(), events

    def _check_handles(self, clients: dict[str, Client], done) -> None:
        for name, job_id, _, _ in random.Random(7).sample(done, 20):
            other = next(n for n in ENVIRONMENTS if n != name)
            assert clients[name].job(job_id).environment == name
            with pytest.raises(UnknownJobError):
                clients[other].job(job_id)
        assert all(client.resume() == [] for client in clients.values())

    def _check_rows(self, file: Path, done) -> None:
        with Ledger(file).open() as ledger:
            for name in ENVIRONMENTS:
                rows = ledger.jobs(environment=name, limit=1000)
                mine = {job_id for one, job_id, _, _ in done if one == name}
                assert {row.job_id for row in rows} == mine
                assert {row.state for row in rows} == {JobState.COLLECTED}
                assert {row.instance for row in rows} == {f"{name}-a"}

    def _check_folders(self, engines: dict[str, EmbeddedEngine], done) -> None:
        for name, engine in engines.items():
            root = engine.base_directory / "output"
            files = {f.relative_to(root).parts[:3]: f for f in root.rglob("*.png")}
            mine = {(n, "card", i): content for n, i, content, _ in done if n == name}
            assert files.keys() == mine.keys()
            assert all(file.read_bytes() == mine[key] for key, file in files.items())
            said = {e for n, _, _, events in done if n == name for e in events}
            others = "prod" if name == "test" else "test"
            assert not [event for event in said if f"{others}/card" in event]


@pytest.fixture
def servers() -> Iterator[dict[str, ScriptedServer]]:
    """One for each environment."""
    with ExitStack() as stack:
        yield {
            name: stack.enter_context(ScriptedServer(version=version))
            for name, version in ENVIRONMENTS.items()
        }


@pytest.fixture
def place(tmp_path: Path, servers: dict[str, ScriptedServer]) -> Path:
    """A configuration of a test and a protected prod, with a template of its own."""
    source = Registry().find("trip-postcard").folder
    folder = tmp_path / "templates" / "trip-postcard"
    shutil.copytree(source, folder / "1.0.0")
    (tmp_path / "comfyclient.toml").write_text(
        f"""
default_environment = "test"
[environments.test]
ledger = "sqlite:///{tmp_path}/jobs.db"
[[environments.test.instances]]
name = "a"
url = "{servers["test"].url}"
[environments.prod]
protected = true
ledger = "sqlite:///{tmp_path}/jobs.db"
[[environments.prod.instances]]
name = "b"
url = "{servers["prod"].url}"
""",
        encoding="utf-8",
    )
    return tmp_path


class TestProtected:
    """Prod runs what is locked; anything else wants a word."""

    def test_a_graph_of_the_callers(self, place: Path) -> None:
        """No lock knows it: it runs where it was confirmed."""
        workflow = Workflow.from_graph(GRAPH)
        with Client.from_config(
            place / "comfyclient.toml", environment="prod"
        ) as client:
            with pytest.raises(UsageError, match="prod is protected"):
                client.submit(workflow)
            for word in ("test", "yes"):
                with pytest.raises(UsageError, match="prod is protected"):
                    client.submit(workflow, confirm=word)
            assert client.run(workflow, confirm="prod").outputs

    def test_an_unlocked_template(self, place: Path) -> None:
        """Likewise a template that nobody locked."""
        with (
            Client.from_config(
                place / "comfyclient.toml", environment="prod"
            ) as client,
            pytest.raises(PinError, match="nothing is locked in it"),
        ):
            client.submit("trip-postcard")

    def test_nothing_is_asked_of_test(self, place: Path) -> None:
        """An environment that is not protected runs what it is given."""
        with Client.from_config(place / "comfyclient.toml") as client:
            assert client.run(Workflow.from_graph(GRAPH)).outputs


class TestLocked:
    """An environment runs the very bytes that were locked, or nothing."""

    def lock(self, place: Path, **changes: object) -> None:
        """Lock the shipped template in prod, perhaps with something wrong."""
        template = Registry().find("trip-postcard")
        entry = {
            "name": template.name,
            "version": str(template.version),
            "digest": template.digest,
            **changes,
        }
        update_lock(place / "comfyclient.lock", lambda lock: _locked(lock, **entry))

    def test_other_bytes(self, place: Path) -> None:
        """A template that was changed is refused, with both digests."""
        self.lock(place, digest="0" * 64)
        with (
            Client.from_config(
                place / "comfyclient.toml", environment="prod"
            ) as client,
            pytest.raises(PinError) as caught,
        ):
            client.submit("trip-postcard")
        assert "0" * 64 in str(caught.value)
        assert Registry().find("trip-postcard").digest in str(caught.value)

    def test_another_template(self, place: Path) -> None:
        """What the lock does not name is not run."""
        self.lock(place, name="other-card")
        with (
            Client.from_config(
                place / "comfyclient.toml", environment="prod"
            ) as client,
            pytest.raises(PinError, match="is not locked in environment prod"),
        ):
            client.submit("trip-postcard")


def _locked(lock: Lock, **entry: str) -> Lock:
    who = {"who": "a test", "when": NOW, "why": "to see"}
    name = entry.pop("name")
    return lock.with_entry("prod", name, LockedVersion(**who, **entry))


class TestOwnTemplates:
    """A folder beside the configuration, whose templates are locked like any other."""

    def own(self, place: Path) -> Path:
        """Name the folder, with a newer version that only it has."""
        file = place / "comfyclient.toml"
        text = file.read_text(encoding="utf-8")
        file.write_text(f'templates = ["templates"]\n{text}', encoding="utf-8")
        source = Registry([place / "templates"]).find("trip-postcard")
        bump_template(source, root=place / "templates", version="1.9.0")
        return file

    def test_they_run_where_they_are_locked(
        self, place: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Wherever the program stands; once their bytes change, no more."""
        file = self.own(place)
        monkeypatch.chdir("/")
        template = Registry([place / "templates"]).find("trip-postcard")
        entry = {"name": template.name, "version": "1.9.0", "digest": template.digest}
        update_lock(place / "comfyclient.lock", lambda lock: _locked(lock, **entry))
        with Client.from_config(file, environment="prod") as client:
            job = client.submit("trip-postcard", load_trip(template.sample_trip))
            assert job.workflow.template == "trip-postcard@1.9.0"
            source = template.folder / "workflow.json.j2"
            source.write_text(source.read_text(encoding="utf-8") + " ")
            with pytest.raises(PinError, match="are not those that"):
                client.submit("trip-postcard", load_trip(template.sample_trip))

    def test_a_folder_that_is_not_there(self, place: Path) -> None:
        """It is named, with the folder."""
        file = self.own(place)
        shutil.rmtree(place / "templates")
        with (
            Client.from_config(file) as client,
            pytest.raises(ConfigError, match=r"templates cannot be read"),
        ):
            client.submit("trip-postcard")


Leave = Callable[..., Job]


class TestAnothersJob:
    """With one ledger and the id at hand, no way leads to another environment's job."""

    @pytest.fixture
    def prod(self, place: Path) -> Iterator[Client]:
        """A client of prod, whose instance has the name of test's."""
        file = place / "comfyclient.toml"
        text = file.read_text(encoding="utf-8").replace('name = "b"', 'name = "a"')
        file.write_text(text, encoding="utf-8")
        with Client.from_config(file, environment="prod") as client:
            yield client

    @pytest.fixture
    def leave(self, place: Path, servers: dict[str, ScriptedServer]) -> Leave:
        """Submits a job to test, and ends with its client."""

        def leave(script: Script, key: str | None = None) -> Job:
            servers["test"].follow_script(script)
            file = place / "comfyclient.toml"
            with Client.from_config(file, environment="test") as client:
                return client.submit(Workflow.from_graph(GRAPH), idempotency_key=key)

        return leave

    def test_it_is_not_found(self, prod: Client, leave: Leave) -> None:
        """So it cannot be followed, collected or cancelled: there is no handle."""
        for play in (Script.never_finishes(), Script.usual()):
            job = leave(play)
            with pytest.raises(UnknownJobError, match="belongs to environment 'test'"):
                prod.job(job.id)

    def test_it_is_not_resumed(self, place: Path, prod: Client, leave: Leave) -> None:
        """Its own environment does that, and it alone."""
        job = leave(Script.never_finishes())
        assert prod.resume() == []
        file = place / "comfyclient.toml"
        with Client.from_config(file, environment="test") as client:
            assert [one.id for one in client.resume()] == [job.id]

    def test_its_key_is_not_met(self, prod: Client, leave: Leave) -> None:
        """The same key means another job in each environment."""
        job = leave(Script.usual(), "trip-7")
        graph = Workflow.from_graph(GRAPH)
        mine = prod.submit(graph, idempotency_key="trip-7", confirm="prod")
        assert mine.id != job.id
        assert mine.result().provenance.environment == "prod"

    def test_no_command_reaches_it(
        self,
        place: Path,
        prod: Client,
        leave: Leave,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        """Neither shown, nor listed, nor resumed."""
        job = leave(Script.never_finishes())
        monkeypatch.chdir(place)
        shown = CliRunner().invoke(app, ["jobs", "show", job.id, "--env", "prod"])
        listed = CliRunner().invoke(app, ["jobs", "--env", "prod", "--json"])
        resumed = CliRunner().invoke(app, ["resume", "--env", "prod", "--json"])
        assert isinstance(shown.exception, UnknownJobError)
        assert job.id not in listed.stdout + resumed.stdout
        with Ledger(place / "jobs.db").open() as ledger:
            assert not ledger.job(job.id).state.terminal


class TestReadOnly:
    """An environment that shares another's instance looks, and changes nothing."""

    def test_it_does_not_submit(self, place: Path) -> None:
        """Its jobs have nowhere to go, and the error says why."""
        settings = load_settings(place / "comfyclient.toml")
        shared = settings.environments["prod"].instances[0].url
        text = (place / "comfyclient.toml").read_text(encoding="utf-8")
        (place / "comfyclient.toml").write_text(
            text
            + f"""
[environments.audit]
shared_with = {{ prod = "we look at what prod made" }}
[[environments.audit.instances]]
name = "theirs"
url = "{shared}"
""",
            encoding="utf-8",
        )
        with (
            Client.from_config(
                place / "comfyclient.toml", environment="audit"
            ) as client,
            pytest.raises(ConfigError, match="may only read"),
        ):
            client.submit(Workflow.from_graph(GRAPH))
