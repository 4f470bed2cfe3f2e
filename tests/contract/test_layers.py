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
issues
errors timing logs
answers stage_records
geography graph jsontext own_pack packed_text sun tomltext tracks privacy
toml_lines
config_shapes config_secrets config_types
config_errors config_models config_sources addresses
config_overlay isolation protection regions eas_certainty
eas_gpus eas_service
eas_notes eas_rules
eas_reading eas_writing
output_refs patience
reader
fetching
outputs config
config_dashscope
workflow
events egress access
gpx trip_files trip_records trip_facts published recorded totals publishing trips
copy_facts copy_chinese copy_english copywriter
photo_kinds
filters slots parameters uploads stages observation manifest
staged
template
registry
locked locktext lockfile pins template_folders
hostile lint
estimates
ledger_lease ledger_records ledger_statements
dashscope_errors dashscope_models
ledger_schema ledger_rows ledger_faults
ledger_database ledger_durations ledger_owner ledger_steps
ledger_answers
ledger_reader ledger_unfinished ledger_look
ledger
transports.__init__ transports.profile transports.endpoint transports.wire
transports.dialect
transports.refusals transports.results
model_folders
graphdiff proposals
comparing scaffolding
locking
object_info
dynamic_inputs findings link_types node_packs own_checks replaced_nodes server_rules
eas_layout
input_values
node_checks
preflight
snapshots
snapshot_cache
transports.base transports.nodes transports.entries transports.pacing
transports.failures
transports.messages
transports.answers transports.restarts transports.observing
transports.hearsay transports.workers
transports.watchdog
transports.eas_codes
transports.connections transports.http_errors transports.dialling
transports.session transports.http transports.listener
dashscope_calls
dashscope_answers
dashscope_sdk
photo_bytes wording reading prompts allowance photos photo_fetching
photo_cleaning
relay
asking
model_copywriter observer painter
steps hosted_models
staging
transports.lookup transports.verdicts transports.probing transports.version_range
transports.arrival transports.cancelling transports.catalogue transports.files
transports.followed
transports.rounds
transports.following
transports.eas_frames transports.eas_attributes transports.eas_options
transports.eas_bodies
transports.eas_http transports.eas_results transports.eas_parking transports.eas_tasks
transports.eas_disposal transports.eas_watch transports.eas_arrival
transports.eas_following
transports.comfyui transports.eas_queue
storage.__init__ storage.base storage.paths storage.visibility
storage.guarding storage.mount storage.view
storage.oss_credentials storage.oss_errors storage.sts
storage.oss_client
storage.oss_sending
storage.oss
storage.oss_opening
cleaning lifecycle delivery
checking compatibility
node_times hooks
demands breaker
routing waiting
berths
progress router result course errands budget revival unplaced
hooking
job dispatch collecting settling
sheltering
attempt desk
parting
searching
pursuit
holding
roster preparing saving orders
launching instances
ordering batch
thumbnails telemetry
extras
engine_start ledger_opening
wiring
pinned eas_mount
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
__init__
console job_views pin_views timeline batch_folder
batch_views
report_jobs
lanes
report
report_page
pack_findings
pack_source pack_install pack_trial
pack_classes
pack_node_rules
pack_code_rules
pack_check
cli_options
cli_params cli_pinboard cli_scaffolding cli_target
cli_compatibility cli_verifying
cli_access cli_layout cli_eas_options
cli_config cli_doctor cli_eas cli_nodes cli_running cli_templates cli_pins
cli_batch cli_clean cli_jobs cli_report cli_resume cli_preflight
cli
__main__
"""
"""From the ground up: a module imports from its own line and the lines above it.

`engine_start` alone goes further: it names the embedded engine and the node pack.
"""

ISLANDS = {"local": {"errors", "timing"}, "comfy_nodes": set[str]()}
"""Folders that lean on themselves alone, and on these modules."""

GARDEN = "testing"
"""The test kit looks at everything, and nothing looks at it."""


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
            names = [node.module] if node.module else [a.name for a in node.names]
            found |= {".".join([*stem, name]) for name in names}
    return frozenset(found - {"__version__"})


def files(*, islands: bool) -> list[Path]:
    """The package's files, on the islands or off them."""
    found = [f for f in sorted(PACKAGE.rglob("*.py")) if room_of(f) != GARDEN]
    return [f for f in found if (room_of(f) in ISLANDS) is islands]


def room_of(file: Path) -> str:
    """The top folder or module that a file belongs to."""
    return module_of(file).split(".")[0]


def floors() -> dict[str, int]:
    """Each module's floor."""
    lines = FLOORS.strip().splitlines()
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
        allowed |= {"local.engine", "comfy_nodes"}

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


def test_importing_the_package_loads_nothing_heavy() -> None:
    """Optional packages, the database and the command line wait until they are used."""
    heavy = {"aiohttp", "PIL", "numpy", "dashscope", "oss2", "sqlalchemy", "rich"}
    program = "import sys, comfyclient; print(*sys.modules)"

    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert not set(done.stdout.split()) & heavy


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
