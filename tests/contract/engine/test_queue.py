"""The engine's queue: its order, and nodes that are odd."""

from __future__ import annotations

from typing import Any

from .callers import IMAGE, SAVED, Caller, through


def test_ui_that_json_cannot_hold_fails_the_prompt_alone(caller: Caller) -> None:
    """An array as ui is an execution error; the next prompt runs."""
    graph = {"1": {"class_type": "TestBadUI", "inputs": {"kind": "tensor"}}}

    for client in ({}, {"client_id": "c"}):
        entry = caller.run(graph, **client)
        kind, data = entry["status"]["messages"][-1]
        assert kind == "execution_error"
        assert data["exception_type"] == "TypeError"
    assert caller.run(SAVED)["status"]["completed"] is True


def test_long_chain_of_nodes_runs(caller: Caller) -> None:
    """The depth of a graph is not limited by the interpreter's stack."""
    graph: dict[str, Any] = {"0": IMAGE}
    for number in range(1, 1500):
        link = [str(number - 1), 0]
        node = {"class_type": "ImageInvert", "inputs": {"image": link}}
        graph[str(number)] = node
    inputs = {"images": ["1499", 0]}
    graph["out"] = {"class_type": "PreviewImage", "inputs": inputs}

    assert caller.run(graph)["status"]["completed"] is True


def test_equal_number_and_id_do_not_break_the_queue(caller: Caller) -> None:
    """Two prompts of one number and id both run; the real server's worker dies."""
    prompt_id = "5dc763b7-355b-4192-ae04-cf98403f0fd2"
    caller.post(through("TestSleep", seconds=0.2, steps=1))
    for color in (1, 2):
        graph = {**SAVED, "1": {**IMAGE, "inputs": {**IMAGE["inputs"], "color": color}}}
        caller.post(graph, prompt_id=prompt_id, number=5)

    entry = caller.run(SAVED, number=6)

    assert entry["status"]["completed"] is True
    assert caller.get("/queue") == {"queue_running": [], "queue_pending": []}


def test_lower_numbers_run_first_and_front_jumps_the_line(caller: Caller) -> None:
    """Pending prompts run in the order of their numbers, not of their arrival."""
    caller.post({"1": IMAGE, "2": SAVED["2"]})
    caller.post(through("TestSleep", seconds=0.3, steps=1))
    caller.until("/queue", "queue_running")
    asked = {
        name: caller.post(through("TestRaise", message=name, kind="KeyError"), **more)
        for name, more in {
            "late": {"number": 900},
            "usual": {},
            "early": {"number": -900},
            "front": {"front": True},
        }.items()
    }
    caller.until(f"/history/{asked['late']}", asked["late"])

    order = [each for each in caller.get("/history") if each in asked.values()]

    assert order == [asked[name] for name in ("early", "front", "usual", "late")]
