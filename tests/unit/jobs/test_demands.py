"""What a workflow asks of an instance."""

from __future__ import annotations

from comfyclient.jobs.demands import demand_of
from comfyclient.workflow import Workflow


def graph(model: str = "flux.safetensors", seed: int = 1) -> dict:
    """A graph that loads a model."""
    return {
        "1": {"class_type": "UNETLoader", "inputs": {"unet_name": model}},
        "2": {"class_type": "KSampler", "inputs": {"model": ["1", 0], "seed": seed}},
    }


def test_models_and_classes_are_found() -> None:
    """Model files are known by their names' endings."""
    demand = demand_of(Workflow(graph()))
    assert demand.models == {"flux.safetensors"}
    assert demand.classes == {"UNETLoader", "KSampler"}


def test_a_template_is_a_kind() -> None:
    """Jobs of one template take about as long."""
    workflow = Workflow(graph(), template="card@1.0.0")
    assert demand_of(workflow).kind == "card@1.0.0"


def test_graphs_of_one_shape_are_a_kind() -> None:
    """A seed makes no other kind; another model does."""
    one, two = demand_of(Workflow(graph())), demand_of(Workflow(graph(seed=2)))
    assert one.kind == two.kind
    assert demand_of(Workflow(graph("sd.ckpt"))).kind != one.kind
