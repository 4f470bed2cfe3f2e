"""What must lie in the mount: from manifests, from graphs, and held against it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from comfyclient.eas.layout import Found, Need, State, compare, needs_of
from comfyclient.packs.own import PACK_FOLDER, pack_files
from comfyclient.templating.manifest import Manifest
from comfyclient.workflow import InputFile, Workflow

OWN = {"__init__.py": 10, "scene.py": 20}


def manifest(**requirements: Any) -> Manifest:
    """A template's manifest that needs this."""
    return Manifest.model_validate(
        {
            "name": "poster",
            "version": "1.0.0",
            "summary": "A poster",
            "outputs": {"poster": {"node": "1"}},
            "requirements": requirements,
        }
    )


def graph(*nodes: tuple[str, dict[str, Any]]) -> Workflow:
    """A graph of these classes."""
    whole = {
        str(number): {"class_type": name, "inputs": inputs}
        for number, (name, inputs) in enumerate(nodes, 1)
    }
    return Workflow.from_graph(whole)


def paths(needs: list[Need]) -> list[str]:
    """What is needed."""
    return [need.path for need in needs]


def test_a_manifest_names_models_and_packs() -> None:
    """With where to get them; our own pack is named file by file, with sizes."""
    one = manifest(
        models=[{"folder": "loras", "file": "car.safetensors", "source": "oss://x"}],
        node_packs=[{"name": "comfyclient"}, {"name": "rgthree-comfy", "source": "y"}],
    )
    needs = needs_of([(one, None)], OWN)

    assert paths(needs) == [
        f"custom_nodes/{PACK_FOLDER}/__init__.py",
        f"custom_nodes/{PACK_FOLDER}/scene.py",
        "custom_nodes/rgthree-comfy/",
        "models/loras/car.safetensors",
    ]
    assert [need.size for need in needs] == [10, 20, None, None]
    assert needs[-1].source == "oss://x"


def test_a_graph_names_what_its_manifest_forgot() -> None:
    """Model files by their loaders, packs by their classes, pictures that are there."""
    workflow = graph(
        ("CheckpointLoaderSimple", {"ckpt_name": "sdxl/base.safetensors"}),
        ("UNETLoader", {"unet_name": "flux.safetensors"}),
        ("SomebodysLoader", {"thing": "what.gguf"}),
        ("WanVideoSampler", {}),
        ("LoadImage", {"image": "logo.png"}),
        ("LoadImage", {"image": "old.png [output]"}),
        ("WanImage", {"prompt": "a car.safetensors"}),
    )
    assert paths(needs_of([(manifest(), workflow)], OWN)) == [
        "custom_nodes/ComfyUI-WanVideoWrapper/",
        f"custom_nodes/{PACK_FOLDER}/__init__.py",
        f"custom_nodes/{PACK_FOLDER}/scene.py",
        "input/logo.png",
        "models/?/what.gguf",
        "models/checkpoints/sdxl/base.safetensors",
        "models/diffusion_models/flux.safetensors",
    ]


def test_what_the_client_uploads_need_not_be_there() -> None:
    """A trip's photos go with each job."""
    photo = InputFile("comfyclient/ab.png", "ab", 1, b"x")
    whole = {"1": {"class_type": "LoadImage", "inputs": {"image": photo.name}}}
    workflow = Workflow(whole, files=(photo,))
    assert needs_of([(manifest(), workflow)], OWN) == []


def test_templates_share_what_they_need() -> None:
    """Each thing is told once, with all who want it."""
    one = manifest(models=[{"folder": "vae", "file": "v.pt"}])
    other = one.model_copy(update={"version": "2.0.0"})
    (need,) = needs_of([(one, None), (other, None)], OWN)
    assert need.wanted_by == ("poster@1.0.0", "poster@2.0.0")


def states(needs: list[Need], there: Mapping[str, int]) -> dict[str, str]:
    """What each need finds in a mount."""
    found = compare(needs, lambda _: there)
    return {one.path: one.state.value for one in found}


@pytest.mark.parametrize(
    ("path", "there", "state"),
    [
        ("models/vae/v.pt", {"models/vae/v.pt": 7}, "there"),
        ("models/vae/v.pt", {"models/vae/v.pt.part": 7}, "missing"),
        ("models/vae/v.pt", {"models/loras/v.pt": 7}, "missing"),
        ("models/?/v.pt", {"models/odd/v.pt": 7}, "there"),
        ("models/?/v.pt", {"models/odd/deep/v.pt": 7}, "missing"),
        ("custom_nodes/a/", {"custom_nodes/a/x.py": 7}, "there"),
        ("custom_nodes/a/", {"custom_nodes/ab/x.py": 7}, "missing"),
    ],
)
def test_a_need_is_held_against_the_mount(
    path: str, there: dict[str, int], state: str
) -> None:
    """By its whole name; a pack by anything in its folder."""
    assert list(states([Need(path, ("t",))], there).values()) == [state]


def test_a_file_of_another_size_is_another() -> None:
    """An old version of our pack is seen so."""
    need = Need("custom_nodes/x/a.py", ("t",), size=10)
    (found,) = compare([need], lambda _: {"custom_nodes/x/a.py": 9})
    assert found == Found(need, State.OTHER, "custom_nodes/x/a.py", 9)


def test_folders_that_comfyui_takes_as_one_are_one() -> None:
    """A model for `diffusion_models` may lie in `unet`."""
    needs = needs_of(
        [(manifest(), graph(("UNETLoader", {"unet_name": "f.safetensors"})))], OWN
    )
    found = states(needs, {"models/unet/f.safetensors": 1})
    assert found == {"models/unet/f.safetensors": "there"}


def test_each_folder_is_listed_once() -> None:
    """A bucket is asked for each request."""
    asked: list[str] = []

    def look(folder: str) -> Mapping[str, int]:
        asked.append(folder)
        return {}

    compare(
        [
            Need("models/vae/a.pt", ("t",)),
            Need("models/vae/b.pt", ("t",)),
            Need("input/deep/c.png", ("t",)),
            Need("custom_nodes/x/", ("t",)),
        ],
        look,
    )
    assert asked == ["models/vae/", "input/", "custom_nodes/x/"]


def test_our_pack_has_no_caches() -> None:
    """Only what somebody wrote."""
    files = pack_files()
    assert "__init__.py" in files
    assert not [name for name in files if "__pycache__" in name]
