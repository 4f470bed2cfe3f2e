"""The house: which module may import which, and what importing the package costs."""

from __future__ import annotations

import ast
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

import comfyclient

PACKAGE = Path(comfyclient.__file__).parent

FLOORS = """
batch.__init__ commands.__init__ config.__init__ eas.__init__ files.__init__
    jobs.__init__ ledger.__init__ packs.__init__ photos.__init__ pins.__init__
    preflight.__init__ report.__init__ steps.__init__ templating.__init__
    trip.__init__ words.__init__
errors.base errors.issues
errors.jobs errors.services errors.transport errors.usage
errors.__init__ timing logs regular_files
steps.answers steps.records
trip.geography graph jsontext packs.own packed_text trip.sun config.tomltext
    config.urls
    trip.tracks trip.privacy
config.toml_lines
config.shapes config.secrets config.types
config.errors config.models config.sources config.addresses config.secret_sources
config.overlay config.isolation config.protection eas.regions eas.certainty
    config.tokens
eas.gpus eas.service
eas.notes eas.rules
eas.reading eas.writing
files.refs files.patience
files.reader
files.fetching
files.outputs config.settings
config.dashscope
graph_files
workflow
events eas.egress eas.access
trip.gpx trip.files trip.records trip.facts trip.published trip.recorded trip.totals
    trip.publishing trip.trips
words.facts words.chinese words.english words.copywriter
photos.kinds templating.filters
templating.language
templating.slots templating.parameters templating.uploads
    templating.stages steps.observation templating.manifest
steps.staged
templating.template
templating.registry
pins.locked pins.locktext pins.lockfile pins.pins templating.folders
templating.hostile templating.lint
jobs.estimates
ledger.lease ledger.records ledger.statements
ledger.journal
steps.refusals steps.models
ledger.schema ledger.rows ledger.faults
ledger.database ledger.durations ledger.owner ledger.steps
ledger.answers
ledger.reader ledger.unfinished ledger.look
ledger.ledger
transports.__init__ transports.profile transports.endpoint transports.wire
transports.dialect
transports.refusals transports.results
preflight.model_folders
templating.graphdiff templating.proposals
templating.comparing templating.scaffolding
pins.locking
preflight.object_info
preflight.dynamic_inputs preflight.findings preflight.link_types preflight.node_packs
    preflight.own_checks preflight.replaced_nodes preflight.server_rules
eas.layout
preflight.input_values
preflight.node_checks
preflight.preflight
preflight.snapshots
preflight.snapshot_cache
transports.base transports.nodes transports.entries transports.pacing
transports.failures
transports.messages
transports.answers transports.restarts transports.observing
transports.hearsay transports.workers
transports.watchdog
transports.eas_codes
transports.connections transports.http_errors transports.dialling
transports.bodies transports.late_thread transports.session
transports.http transports.socket_line
transports.listener
steps.calls
steps.replies
steps.sdk
photos.stripping steps.wording steps.reading steps.prompts steps.allowance
    photos.photos photos.fetching
photos.cleaning
steps.relay
steps.asking
steps.word_asker
steps.model_copywriter steps.observer steps.painter
steps.steps
steps.staging steps.hosted_steps
steps.hosted_models
steps.opening
transports.lookup transports.verdicts transports.probing transports.version_range
transports.arrival transports.cancelling transports.catalogue transports.files
transports.followed
transports.rounds
transports.following
transports.eas_frames transports.eas_attributes transports.eas_options
transports.eas_company
transports.eas_bodies
transports.eas_subscriber
transports.eas_http transports.eas_results transports.eas_parking transports.eas_tasks
transports.eas_disposal transports.eas_watch transports.eas_arrival
transports.eas_sorting
transports.eas_following
transports.eas_reader
transports.comfyui transports.eas_queue
storage.__init__ storage.base storage.paths storage.visibility
storage.guarding storage.mount storage.view
storage.oss_credentials storage.oss_errors storage.sts
storage.oss_client
storage.oss_sending
storage.oss
storage.oss_opening
files.cleaning files.lifecycle files.delivery
preflight.checking preflight.compatibility
jobs.node_times hooks
jobs.demands jobs.breaker
jobs.routing jobs.waiting
jobs.berths
jobs.progress jobs.router result jobs.course jobs.errands jobs.crew jobs.budget
    jobs.revival jobs.unplaced
jobs.hooking
job jobs.dispatch jobs.collecting jobs.settling
jobs.sheltering
jobs.attempt jobs.notes
jobs.desk
jobs.parting
jobs.searching
jobs.pursuit
jobs.holding
jobs.roster jobs.preparing files.saving batch.orders
batch.launching jobs.instances
batch.ordering batch.batch
report.thumbnails telemetry
extras
engine_start ledger.opening
wiring
reception pins.pinned eas.mount
client
checks.__init__ checks.base checks.kinds
checks.clocks checks.network
checks.gateway checks.machine checks.places checks.servers
checks.models checks.senses checks.shelf
checks.errand
checks.calling_out checks.round_trip
checks.plan_models checks.plan_storage
checks.plan
doctor
public
__init__
commands.console commands.job_views commands.pin_views report.timeline batch.folder
commands.batch_views
commands.batch_run
report.jobs
report.lanes
report.report
report.page
packs.findings
packs.source packs.install packs.trial
packs.classes
packs.node_rules
packs.code_rules
packs.check
commands.options
commands.ends commands.job_board commands.place
commands.running
commands.params commands.pinboard commands.scaffolding commands.target
commands.compatibility commands.verifying
commands.access commands.layout commands.eas_options
commands.config commands.doctor commands.eas commands.nodes commands.serve
    commands.templates commands.pins commands.version
commands.batch commands.clean commands.demo commands.jobs commands.report
    commands.resume commands.preflight commands.run
cli
__main__
"""
"""From the ground up: a module imports from its own line and the lines above it;
what is set in goes on with the line before.

`engine_start` alone goes further: it names the embedded engine and the node pack.
"""

ISLANDS = {"local": {"errors.__init__", "timing"}, "comfy_nodes": set[str]()}
"""Folders that lean on themselves alone, and on these modules."""

GARDEN = "testing"
"""The test kit looks at everything, and nothing looks at it."""

MOST_MODULES = 170
"""Of ours that the first public name brings: a module is a third of a millisecond, and
each frozen dataclass in it as much again."""


def module_of(file: Path) -> str:
    """A file's module, without the package's name."""
    return ".".join(file.relative_to(PACKAGE).with_suffix("").parts)


@cache
def imports_of(file: Path) -> frozenset[str]:
    """The modules of ours that a file imports, without the package's name."""
    home = list(file.relative_to(PACKAGE).parts[:-1])
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.level:
            stem = home[: len(home) - node.level + 1]
            stem += node.module.split(".") if node.module else []
            names = {alias.name for alias in node.names} - {"__version__"}
            found |= {imported([*stem, name]) for name in names}
    return frozenset(found)


def imported(path: list[str]) -> str:
    """The module that has what is imported: a module, a room, or a name in one."""
    module = PACKAGE.joinpath(*path)
    if module.is_dir():
        return ".".join([*path, "__init__"])
    if module.with_suffix(".py").is_file():
        return ".".join(path)
    return imported(path[:-1])


def files(*, islands: bool) -> list[Path]:
    """The package's files, on the islands or off them."""
    found = [f for f in sorted(PACKAGE.rglob("*.py")) if room_of(f) != GARDEN]
    return [f for f in found if (room_of(f) in ISLANDS) is islands]


def room_of(file: Path) -> str:
    """The top folder or module that a file belongs to."""
    return module_of(file).split(".")[0]


def floors() -> dict[str, int]:
    """Each module's floor."""
    lines = FLOORS.strip().replace("\n    ", " ").splitlines()
    return {name: floor for floor, line in enumerate(lines) for name in line.split()}


def test_every_module_has_its_floor() -> None:
    """A new module is given a place before it is written."""
    assert {module_of(file) for file in files(islands=False)} == set(floors())


@pytest.mark.parametrize("file", files(islands=False), ids=module_of)
def test_a_module_imports_only_from_its_floor_and_below(file: Path) -> None:
    """Data flows one way."""
    floor = floors()
    name = module_of(file)
    allowed = {other for other, at in floor.items() if at <= floor[name]}
    if name == "engine_start":
        allowed |= {"local.engine", "comfy_nodes.__init__"}

    assert imports_of(file) <= allowed


@pytest.mark.parametrize("file", files(islands=True), ids=module_of)
def test_an_island_stays_an_island(file: Path) -> None:
    """The engine and the node pack do not lean on the client."""
    island = room_of(file)
    foreign = {
        name
        for name in imports_of(file)
        if name.split(".")[0] != island and name not in ISLANDS[island]
    }

    assert foreign == set()


def test_no_two_modules_import_each_other() -> None:
    """There is no circle, on a floor or between floors."""
    graph = {module_of(f): imports_of(f) for f in sorted(PACKAGE.rglob("*.py"))}
    settled: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        assert name not in path, f"a circle: {' → '.join([*path, name])}"
        if name in settled:
            return
        for other in graph.get(name, ()):
            visit(other, (*path, name))
        settled.add(name)

    for name in graph:
        visit(name, ())


@pytest.fixture(scope="module")
def loaded() -> set[str]:
    """What a fresh interpreter has loaded once a public name is imported."""
    return set(_said("import sys; from comfyclient import Trip; print(*sys.modules)"))


def _said(program: str) -> list[str]:
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout.split()


def test_importing_the_package_loads_nothing_heavy(loaded: set[str]) -> None:
    """Optional packages, the database, asyncio and the command line wait for use."""
    heavy = {"aiohttp", "PIL", "numpy", "dashscope", "oss2", "sqlalchemy", "rich"}

    assert not loaded & {*heavy, "asyncio", "typer"}


def test_importing_the_package_loads_none_of_what_few_programs_use(
    loaded: set[str],
) -> None:
    """Each transport, hosted models and whole rooms wait until they are asked for."""
    late = {"checks", "commands", "eas", "local", "comfy_nodes", "packs", "report"}
    late |= {"ledger.ledger", "steps.calls", "steps.opening", "storage.oss"}
    late |= {"transports.comfyui", "transports.eas_queue", "transports.http"}

    assert not loaded & {f"comfyclient.{name}" for name in late}


def test_importing_the_package_loads_so_many_modules_of_its_own(
    loaded: set[str],
) -> None:
    """Whoever raises the number says what all programs need the new ones for."""
    own = {name for name in loaded if name.split(".")[0] == "comfyclient"}

    assert len(own) <= MOST_MODULES, sorted(own)


def test_importing_the_package_builds_no_validator() -> None:
    """Records from outside have theirs built when the first one is read."""
    built = _said(
        "import sys; from comfyclient import Trip\n"
        "for name, module in list(sys.modules.items()):\n"
        "    if name.startswith('comfyclient'):\n"
        "        for one in vars(module).values():\n"
        "            if getattr(one, '__pydantic_complete__', False):\n"
        "                print(f'{one.__module__}.{one.__qualname__}')\n"
    )

    assert built == []


def test_the_command_line_loads_no_more_than_a_command_needs() -> None:
    """The list of commands is there without them, and so is what is configured."""
    program = (
        "import sys; from comfyclient.cli import app\n"
        "for command in ('--help', 'config show', 'pins show'):\n"
        "    try: app(command.split())\n"
        "    except SystemExit: print('|', *sys.modules, '|')"
    )
    _, shown, _, configured, _, pinned, _ = " ".join(_said(program)).split("|")

    assert not {*shown.split()} & {"comfyclient.config.settings", "jinja2"}
    assert not {*configured.split()} & {"comfyclient.templating.registry", "jinja2"}
    assert not {*pinned.split()} & {"comfyclient.public", "comfyclient.wiring"}


def test_the_public_names_are_there_before_they_are_used() -> None:
    """For whoever looks first, takes all, or means a module of the package."""
    program = (
        "import comfyclient; print('Client' in dir(comfyclient))\n"
        "print(comfyclient.errors.ConfigError.__name__)\n"
        "from comfyclient import *; print(Client.__name__, load_trip.__name__)"
    )

    assert _said(program) == ["True", "ConfigError", "Client", "load_trip"]


def test_a_name_that_is_not_there_is_no_attribute() -> None:
    """Public names come when they are asked for; no other one does."""
    with pytest.raises(AttributeError, match="has no attribute 'Cilent'"):
        comfyclient.Cilent  # noqa: B018  (looking is what raises)


def test_everything_promised_is_there_and_sorted() -> None:
    """`__all__` names what exists, each once."""
    names = comfyclient.__all__

    assert names == sorted(set(names))
    assert all(hasattr(comfyclient, name) for name in names)


def test_the_public_names_are_pinned() -> None:
    """A name that goes or comes is a decision, not an accident."""
    assert set(comfyclient.__all__) == {
        "Batch", "Client", "ComfyClientError", "Job", "JobStatus", "Order", "Outcome",
        "Output", "OutputRef",
        "Provenance", "Result", "Settings", "Trip", "Workflow", "__version__",
        "load_settings", "load_trip", "load_trips",
    }  # fmt: skip
