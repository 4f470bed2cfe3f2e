"""The JSON of a PAI-EAS service: what is written, and which edits are refused."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, get_args

import pytest
from pydantic import BaseModel

from comfyclient.config.settings import EnvironmentSettings
from comfyclient.config.shapes import Named, Table, Value, shape_of
from comfyclient.eas.certainty import Sure
from comfyclient.eas.gpus import GPUS
from comfyclient.eas.notes import NOTES, lines_of
from comfyclient.eas.reading import (
    mistakes_for,
    parse_service,
    service_error,
    too_impatient,
)
from comfyclient.eas.service import ServiceSpec
from comfyclient.eas.writing import (
    Wishes,
    as_json,
    as_jsonc,
    as_markdown,
    doubtful,
    service_of,
)
from comfyclient.errors import ServiceFileError, UsageError

Environments = Mapping[str, EnvironmentSettings]


def made(environments: Environments, place: str, **wishes: Any) -> ServiceSpec:
    """The service of an environment."""
    return service_of(place, environments[place], Wishes(**wishes))


FULL: dict[str, Any] = {
    "autoscale": (0, 4),
    "vpc": ("vpc-1", "vsw-1", "sg-1"),
    "gateway": "gw-1",
    "workspace": "17",
}


def test_the_standard_edition_is_what_its_environment_says(
    environments: Environments,
) -> None:
    """Name, region, bucket and prefix come from there; the mount is the data-dir."""
    assert json.loads(as_json(made(environments, "test"))) == {
        "metadata": {"name": "comfy_test", "instance": 1, "enable_webservice": True},
        "cloud": {"computing": {"instances": [{"type": "ml.gu7i.c16m60.1-gu30"}]}},
        "containers": [
            {
                "image": "eas-registry-vpc.cn-shanghai.cr.aliyuncs.com/pai-eas/"
                "comfyui:2.2",
                "command": "python main.py --listen --port 8000 --data-dir "
                "/code/data-oss",
                "port": 8000,
            }
        ],
        "storage": [
            {
                "mount_path": "/code/data-oss",
                "oss": {"path": "oss://nev-aigc/comfyui/test/", "readOnly": False},
            }
        ],
    }


def test_the_api_edition_has_a_queue_and_waits_as_long_as_a_job_may_take(
    environments: Environments,
) -> None:
    """One job at a time for each instance, none given out twice."""
    spec = made(environments, "prod", instances=2).as_json()

    assert spec["metadata"] == {
        "name": "comfy_prod",
        "instance": 2,
        "type": "Async",
        "rpc": {"keepalive": 900_000, "worker_threads": 1},
    }
    assert spec["queue"] == {
        "cpu": 1, "memory": 4000, "max_delivery": 1, "resource": "",
    }  # fmt: skip
    assert str(spec["containers"]).count("comfyui:2.2-api") == 1


@pytest.mark.parametrize(
    ("wishes", "started"),
    [
        ({"autoscale": (0, 4)}, 1),
        ({"autoscale": (2, 4)}, 2),
        ({"autoscale": (2, 4), "instances": 4}, 4),
    ],
)
def test_it_starts_with_what_its_autoscaler_keeps(
    environments: Environments, wishes: dict[str, Any], started: int
) -> None:
    """The least of that, unless another number of it is wished for."""
    spec = made(environments, "prod", **wishes)
    assert spec.metadata.instance == started
    assert mistakes_for(spec, "prod", environments) == []


@pytest.mark.parametrize(("instances", "right"), [(1, 2), (5, 4)])
def test_a_start_outside_of_it_is_named(
    environments: Environments, instances: int, right: int
) -> None:
    """With the nearest number that would do."""
    spec = made(environments, "prod", autoscale=(2, 4), instances=instances)
    (found,) = mistakes_for(spec, "prod", environments)
    assert found.words == (
        f"metadata.instance is {instances}, the autoscaler keeps 2 to 4"
    )
    assert found.hint is not None
    assert f"set it to {right}" in found.hint
    assert found.location == ("metadata", "instance")


@pytest.mark.parametrize(
    ("least", "queue_s", "told"),
    [(0, 300, True), (0, 900, False), (1, 300, False)],
)
def test_jobs_that_give_up_before_an_instance_wakes(
    environments: Environments, least: int, queue_s: float, *, told: bool
) -> None:
    """That is said with the deadline that is too short."""
    spec = made(environments, "prod", autoscale=(least, 4))
    prod = environments["prod"]
    deadlines = prod.deadlines.model_copy(update={"queue_s": queue_s})
    patient = prod.model_copy(update={"deadlines": deadlines})
    words = too_impatient(spec, "prod", patient)
    assert (words is not None) is told
    assert words is None or "environments.prod.deadlines.queue_s is 300" in words


@pytest.mark.parametrize("gpu", [gpu.name for gpu in GPUS])
def test_every_gpu_is_known_by_its_name(environments: Environments, gpu: str) -> None:
    """And what is said of it tells how sure that is: L20 is on no page on ComfyUI."""
    spec = made(environments, "test", gpu=gpu.lower())
    (line,) = [
        one
        for one in lines_of(spec.as_json(), edition="standard")
        if one.key == "cloud.computing.instances[0].type"
    ]

    assert line.note.text.startswith(gpu)
    assert (line.note.sure is Sure.DOCUMENTED) is (gpu != "L20")


def test_a_spec_is_right_by_its_own_rules(environments: Environments) -> None:
    """In every edition and format; comments change nothing of what is read back."""
    for place, wishes in (("test", {}), ("prod", {}), ("prod", FULL)):
        spec = made(environments, place, **wishes)
        for text in (as_json(spec), as_jsonc(spec)):
            assert parse_service(text, name="s.json").spec == spec
        assert mistakes_for(spec, place, environments) == []


def keys_of(model: type[BaseModel], under: str = "") -> Iterator[str]:
    """Every key that the schema has."""
    for name, field in model.model_fields.items():
        annotation, key = field.annotation, f"{under}{name}"
        inner = shape_of(annotation)
        if str(annotation).startswith("tuple") or "tuple[" in str(annotation):
            key, inner = f"{key}[]", shape_of(_item(annotation))
        match inner:
            case Table(model=part):
                yield from keys_of(part, f"{key}.")
            case Value() | Named():
                yield key.removesuffix("[]")


def _item(annotation: Any) -> Any:
    for one in get_args(annotation):
        if str(one).startswith("tuple") or "tuple[" in str(one):
            return _item(one)
    return get_args(annotation)[0]


def test_every_key_has_a_note_and_no_note_is_of_no_key() -> None:
    """Keys with parts of any name have one for all of them."""
    keys = set(keys_of(ServiceSpec))
    noted = {key for key in keys if any(key.startswith(note) for note in NOTES)}

    assert keys - noted == set()
    assert {
        note for note in NOTES if not any(key.startswith(note) for key in keys)
    } == (set())


def test_what_is_doubtful_is_said(environments: Environments) -> None:
    """The queue's keys are concluded from a sister product; the reference has none."""
    doubts = {line.key: line.note.sure for line in doubtful(made(environments, "prod"))}

    assert doubts["metadata.type"] is Sure.INFERRED
    assert doubts["queue.max_delivery"] is Sure.INFERRED
    assert "storage[0].oss.path" not in doubts
    table = as_markdown(made(environments, "prod"))
    assert '| `metadata.type` | `"Async"` | `Async` puts a queue' in table


@pytest.mark.parametrize(
    ("place", "wishes", "words"),
    [
        ("lab", {"oss": "oss://b123/x"}, "which region"),
        ("lab", {"region": "cn-beijing"}, "does not say what the service mounts"),
        ("test", {"oss": "oss://b123/", "nas": "a.b:/x"}, "two storages"),
        ("test", {"gpu": "H100"}, "known: GU30, A10, T4, L20"),
    ],
)
def test_what_neither_says_is_asked_for(
    environments: Environments, place: str, wishes: dict[str, Any], words: str
) -> None:
    """With the option or the key that would say it."""
    with pytest.raises(UsageError, match=words) as caught:
        made(environments, place, **wishes)
    assert caught.value.hint


EDITS: list[tuple[str, str, Any, str]] = [
    ("test", "metadata.instances", 2, "unknown key metadata.instances"),
    ("test", "metadata.name", "Comfy Test", "metadata.name"),
    ("test", "metadata.name", "comfy_prod", "environment test calls comfy_test"),
    ("test", "metadata.instance", "1", "valid integer"),
    ("test", "metadata.instance", 2, "standard edition keeps its jobs"),
    ("test", "metadata.gpu", 2, "an instance uses one GPU"),
    ("test", "metadata.type", "Async", "transport 'comfyui'"),
    ("test", "metadata.resource", "eas-r-1", "two places to run in"),
    ("test", "metadata.rpc", {"keepalive": 5}, "metadata.rpc.keepalive"),
    ("test", "cloud", None, "no machine is named"),
    ("test", "queue", {"cpu": 1}, "only the API edition has one"),
    ("test", "autoscaler", {"min": 1, "max": 3, "strategies": {"qps": 1}}, "one proc"),
    ("test", "containers.0.command", "python main.py --data-dir /x", "is /x"),
    ("test", "containers.0.command", "python main.py", "--data-dir is missing"),
    ("test", "containers.0.command", None, "one of command and script"),
    ("test", "containers.0.port", 8080, "belongs to EAS"),
    ("test", "containers.0.port", 8001, "says --port 8000"),
    ("test", "containers.0.image", "r/pai-eas/comfyui:2.2-cluster", "no API"),
    ("test", "containers.0.image", "r/pai-eas/comfyui:2.2-api", "is the API edition"),
    (
        "test",
        "containers.0.image",
        "eas-registry-vpc.cn-beijing.cr.aliyuncs.com/pai-eas/comfyui:2.2",
        "must be in one region",
    ),
    ("test", "storage.0.oss.path", "oss://nev-aigc/comfyui/test", "must end in /"),
    ("test", "storage.0.oss.path", "s3://nev-aigc/", "storage[0].oss.path"),
    ("test", "storage.0.oss.path", "oss://nev-aigc/comfyui/prod/", "files would mix"),
    ("test", "storage.0.oss.path", "oss://nev-aigc/comfyui/", "files would mix"),
    ("test", "storage.0.oss.path", "oss://nev-aigc/other/", "collects from"),
    ("test", "storage.0.oss.readOnly", True, "writes its outputs"),
    ("test", "storage.0.oss.endpoint", "oss-cn-beijing.aliyuncs.com", "in cn-beijing"),
    ("test", "storage.0.oss", None, "one of oss and nfs"),
    ("test", "storage.0.nfs", {"server": "a.b"}, "one of oss and nfs"),
    ("test", "storage.0.mount_path", "/usr/data", "folder of the system"),
    ("test", "token", "Yjha", "secret, which no file may hold"),
    ("test", "dockerAuth", "Yjha", "secret, which no file may hold"),
    ("prod", "metadata.enable_webservice", True, "has no web page"),
    ("prod", "metadata.rpc.worker_threads", 5, "one job at a time"),
    ("prod", "autoscaler", {"min": 3, "max": 1, "strategies": {"q": 1}}, "is more"),
    (
        "prod",
        "autoscaler",
        {"min": 2, "max": 4, "strategies": {"q": 1}},
        "keeps 2 to 4",
    ),
    ("prod", "cloud.networking", {"vpc_id": "vpc-1"}, "vswitch_id"),
]


def edited(spec: ServiceSpec, key: str, value: Any) -> str:
    """The service's text with one key changed, added or taken away."""
    whole: Any = json.loads(as_json(spec))
    *way, last = (int(part) if part.isdigit() else part for part in key.split("."))
    place = whole
    for part in way:
        place = place[part]
    if value is None:
        del place[last]
    else:
        place[last] = value
    return json.dumps(whole, indent=2)


def require_right(text: str, place: str, environments: Environments) -> None:
    """Let a text pass that is right for an environment."""
    file = parse_service(text, name="s.json")
    found = mistakes_for(file.spec, place, environments)
    if found:
        raise service_error(found, file="s.json", lines=file.lines)


@pytest.mark.parametrize(("place", "key", "value", "words"), EDITS)
def test_a_wrong_edit_is_named(
    environments: Environments, place: str, key: str, value: Any, words: str
) -> None:
    """With its line, the value at fault, and what would be right."""
    text = edited(made(environments, place), key, value)
    with pytest.raises(ServiceFileError) as caught:
        require_right(text, place, environments)

    assert words in str(caught.value)
    assert "s.json" in str(caught.value)
    assert "Yjha" not in str(caught.value)
    if "mistakes" not in str(caught.value):
        assert caught.value.line is not None


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "is no JSON"),
        ("{", "is no JSON"),
        ("[1]", "Input should be a"),
        ('{"metadata": 1, "metadata": 2}', "stands there twice"),
        ("[" * 100_000, "is no JSON"),
        ('{"metadata": ' + "9" * 5000 + "}", "is no JSON: Exceeds the limit"),
        ('{"a": "// no comment"}', "unknown key a"),
        ("{}", "metadata"),
    ],
)
def test_what_is_no_service_is_refused(text: str, words: str) -> None:
    """Whatever it is, with a message that says so."""
    with pytest.raises(ServiceFileError, match="(?s)" + words):
        parse_service(text, name="s.json")


NAS = "1a-x.cn-shanghai.nas.aliyuncs.com"


def test_nas_folders_are_kept_apart_too(environments: Environments) -> None:
    """By the other service's JSON: the configuration does not know the server."""
    vpc = ("vpc-1", "vsw-1", "sg-1")
    lab = {"region": "cn-shanghai", "vpc": vpc}
    one = made(environments, "lab", nas=f"{NAS}:/comfy", **lab)
    other = made(environments, "lab", nas=f"{NAS}:/comfy/b", **lab)
    apart = made(environments, "lab", nas=f"{NAS}:/c", **lab)

    (found,) = mistakes_for(one, "lab", environments, beside={"other.json": other})
    assert "the service of other.json" in found.words
    assert mistakes_for(one, "lab", environments, beside={"x.json": apart}) == []
    without = made(environments, "lab", nas="a.b:/x", region="cn-shanghai")
    (found,) = mistakes_for(without, "lab", environments)
    assert "reached through a VPC" in found.words
