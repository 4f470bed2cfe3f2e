"""Turns: what each makes of a job's steps."""

from __future__ import annotations

import pytest
from packaging.version import Version

from comfyclient.testing.bench import GRAPH
from comfyclient.testing.pictures import shown_by
from comfyclient.testing.play import (
    Deafen,
    DropSockets,
    ForgetHistory,
    Hang,
    Hold,
    Interrupt,
    Restart,
    ScriptedJob,
    Silence,
    Sleep,
    Step,
    Stop,
    Store,
    usual,
)
from comfyclient.testing.turns import (
    ClearsHistory,
    DropsSocket,
    Duplicates,
    Fails,
    GoesDeaf,
    Interrupted,
    NeverFinishes,
    Reorders,
    Restarts,
    SaysForeign,
    SaysUnknown,
    Silent,
    Slow,
    Stops,
    Turn,
    inserted,
)

FRAMES = 13


def a_job() -> ScriptedJob:
    """A job that has not begun."""
    outputs, _ = shown_by(GRAPH)
    return ScriptedJob("p", 0, GRAPH, {}, "c", Version("0.33.0"), outputs)


def frames(steps: list[Step]) -> list[Step]:
    """What is sent."""
    return [s for s in steps if isinstance(s, dict | str | bytes)]


def kinds(steps: list[Step]) -> list[str]:
    """The kinds of what is sent."""
    return [str(s["type"]) for s in steps if isinstance(s, dict)]


@pytest.mark.parametrize(
    ("turn", "step"),
    [
        (DropsSocket(4), DropSockets(resets=True)),
        (DropsSocket(4, "close"), DropSockets(closes=True)),
        (DropsSocket(4, "end"), DropSockets()),
        (Restarts(4, "0.3.40"), Restart("0.3.40")),
        (Stops(4, 8.0), Stop(8.0)),
        (GoesDeaf(4), Deafen()),
        (Interrupted(4), Interrupt()),
        (Silent(4, None, 8.0), Silence(None, 8.0)),
        (NeverFinishes(4), Hang()),
        (NeverFinishes(4, interruptible=False), Hang(interruptible=False)),
    ],
    ids=repr,
)
def test_after_so_many_messages(turn: Turn, step: Step) -> None:
    """What happens comes right after the message that was named."""
    job = a_job()
    steps = list(turn.arranged(job, usual(job)))
    at = steps.index(step)
    assert len(frames(steps[:at])) == 4
    assert steps[:at] + steps[at + 1 :] == usual(job)


@pytest.mark.parametrize("after", range(FRAMES + 3))
def test_any_moment(after: int) -> None:
    """From before the first message to after the last, and no further."""
    steps = inserted(usual(a_job()), after, Sleep(1))
    before = steps[: steps.index(Sleep(1))]
    assert len(frames(before)) == min(after, FRAMES)
    assert len(frames(steps)) == FRAMES


def test_a_job_without_messages() -> None:
    """Where nothing is sent, what happens comes last, or first."""
    steps: list[Step] = [Store()]
    assert inserted(steps, 0, Sleep(1)) == [Sleep(1), Store()]
    assert inserted(steps, 5, Sleep(1)) == [Store(), Sleep(1)]


def test_silence_from_the_request_on() -> None:
    """Without a moment, silence begins with the request."""
    job = a_job()
    turn = Silent(seconds=3)
    assert turn.before() == (Silence(None, 3),)
    assert turn.arranged(job, usual(job)) == usual(job)


def test_it_hangs_just_before_its_end() -> None:
    """Without a moment, a job that never finishes has told all but its success."""
    job = a_job()
    steps = list(NeverFinishes().arranged(job, usual(job)))
    assert kinds(steps[: steps.index(Hang())])[-1] == "progress_state"
    assert kinds(steps[steps.index(Hang()) :])[0] == "execution_success"


def test_slowness_takes_its_time() -> None:
    """A slow node sleeps as long as it was told, and tells each step."""
    job = a_job()
    steps = list(Slow(30.0, steps=3).arranged(job, usual(job)))
    told = [s["data"] for s in steps if isinstance(s, dict) and s["type"] == "progress"]
    assert sum(s.seconds for s in steps if isinstance(s, Sleep)) == 30
    assert [(d["node"], d["value"], d["max"]) for d in told] == [
        ("1", 1, 3),
        ("1", 2, 3),
        ("1", 3, 3),
    ]


def test_a_node_that_fails() -> None:
    """All that came before the node is told, then its report; nothing after it."""
    job = a_job()
    turn = Fails("2", {"exception_type": "MemoryError"})
    steps = list(turn.arranged(job, usual(job)))
    told = kinds(steps)
    assert told[-3:] == ["execution_error", "status", "executing"]
    assert "execution_success" not in told
    report = next(s for s in steps if isinstance(s, dict) and "error" in str(s["type"]))
    assert report["data"]["node_id"] == "2"
    assert report["data"]["exception_type"] == "MemoryError"
    stored = next(s for s in steps if isinstance(s, Store))
    assert (stored.state, stored.messages) == ("error", [report])


def test_a_later_node_that_fails() -> None:
    """Outputs that were shown before the failure stay in the history."""
    graph = {**GRAPH, "3": {"class_type": "PreviewImage", "inputs": {}}}
    outputs, _ = shown_by(graph)
    job = ScriptedJob("p", 0, graph, {}, "c", Version("0.33.0"), outputs)
    steps = Fails("3").arranged(job, usual(job))
    stored = next(s for s in steps if isinstance(s, Store))
    assert stored.outputs == {"2": outputs["2"]}


def test_a_node_that_is_not_there() -> None:
    """A failure of a node that does not run is told after the start."""
    job = a_job()
    steps = list(Fails("99").arranged(job, usual(job)))
    assert kinds(steps)[:4] == [
        "status",
        "execution_start",
        "execution_cached",
        "execution_error",
    ]


def test_the_history_is_cleared_at_once() -> None:
    """What is stored is forgotten before another word is said."""
    job = a_job()
    steps = list(ClearsHistory().arranged(job, usual(job)))
    assert steps[steps.index(Store()) + 1] == ForgetHistory()


def test_duplicates() -> None:
    """Every message comes twice in a row; what the server does happens once."""
    job = a_job()
    steps = list(Duplicates().arranged(job, usual(job)))
    assert frames(steps)[::2] == frames(steps)[1::2] == frames(usual(job))
    assert steps.count(Store()) == 1


def test_reordered() -> None:
    """The same messages come in another order; the history has its own place."""
    job = a_job()
    usually = usual(job)
    steps = list(Reorders().arranged(job, usually))
    assert frames(steps) != frames(usually)
    assert sorted(map(str, frames(steps))) == sorted(map(str, frames(usually)))
    assert steps.index(Store()) == usually.index(Store())
    assert steps == Reorders().arranged(job, usually)
    assert steps != Reorders(seed=1).arranged(job, usually)


def test_unknown_messages_come_between() -> None:
    """The job's own messages keep their order; after each comes an odd one."""
    job = a_job()
    steps = list(SaysUnknown().arranged(job, usual(job)))
    assert len(frames(steps)) == 2 * FRAMES
    assert [s for s in frames(steps) if isinstance(s, dict)] == frames(usual(job))


def test_foreign_messages_name_another_prompt() -> None:
    """No foreign message names this job; its own messages are untouched."""
    job = a_job()
    steps = list(SaysForeign().arranged(job, usual(job)))
    assert frames(steps) == frames(usual(job))
    told = [str(s) for s in steps if not isinstance(s, dict)]
    assert not [text for text in told if "'prompt_id': 'p'" in text]
    assert any("execution_success" in text for text in told)
    assert any("execution_error" in text for text in told)


def test_a_play_of_ones_own() -> None:
    """A script works on any play, with gates and all."""
    job = a_job()
    gate = Hold(None)  # type: ignore[arg-type]
    steps = [gate, *usual(job)]
    assert Turn().arranged(job, steps) == steps
    assert Restarts(0).arranged(job, steps)[0] == Restart()
