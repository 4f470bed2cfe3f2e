"""Scripts: what they are made of, how they compose, what is generated from them."""

from __future__ import annotations

import pytest

from comfyclient.testing import Script
from comfyclient.testing.bench import GRAPH
from comfyclient.testing.turns import Busy, Fails, Restarts, Turn


def played(script: Script, count: int) -> list[Turn]:
    """The turns of so many jobs."""
    turns: list[Turn] = []
    for _ in range(count):
        turn, script = script.next_turn()
        turns.append(turn)
    return turns


class TestComposing:
    """One turn for each job that is sent."""

    def test_the_first_job_only(self) -> None:
        """What a script describes happens once; then all goes well."""
        assert played(Script.restarts_after(4), 3) == [Restarts(4), Turn(), Turn()]

    def test_one_after_the_other(self) -> None:
        """Scripts are joined in order."""
        script = Script.busy(2, retry_after=1) | Script.fails_at("2")
        busy = Busy(retry_after=1)
        assert played(script, 4) == [busy, busy, Fails("2"), Turn()]

    def test_a_sequence_is_one_script(self) -> None:
        """A list of scripts means the same as joining them."""
        scripts = [Script.usual(), Script.restarts_after(1)]
        assert Script.of(scripts) == scripts[0] | scripts[1]

    def test_nothing_at_all(self) -> None:
        """An empty script is a usual one."""
        assert played(Script.of([]), 1) == played(Script.usual(), 1) == [Turn()]

    def test_several_times(self) -> None:
        """A script may apply to several jobs."""
        turns = played(Script.restarts_after(1).times(2), 3)
        assert turns == [Restarts(1), Restarts(1), Turn()]

    def test_for_ever(self) -> None:
        """An endless script goes on with its last turn."""
        script = (Script.usual() | Script.fails_at("1")).forever()
        assert played(script, 4) == [Turn(), Fails("1"), Fails("1"), Fails("1")]

    def test_nothing_comes_after_for_ever(self) -> None:
        """A script that never comes to its turn is refused."""
        with pytest.raises(ValueError, match="for ever"):
            Script.usual().forever() | Script.dead_worker()

    def test_less_than_once(self) -> None:
        """A script that would never be played is refused."""
        with pytest.raises(ValueError, match="at least once"):
            Script.usual().times(0)

    def test_scripts_are_values(self) -> None:
        """Equal scripts are equal, and say what they are."""
        assert Script.silent(3, seconds=2) == Script.silent(3, seconds=2)
        assert str(Script.usual()) == "usual"
        told = str(Script.usual() | Script.restarts_after(2).forever())
        assert told == "usual | Restarts(after=2, version=None), for ever"


class TestGenerating:
    """Every fault, at every moment."""

    def test_the_messages_of_a_job(self) -> None:
        """The messages are those that the version sends, in order."""
        ends = ("executing", "executing", "executed")
        tail = ("execution_success", "status", "executing")
        head = ("status", "execution_start", "execution_cached")
        assert Script.messages("0.3.40", GRAPH) == head + ends + tail
        newer = Script.messages("0.33.0", GRAPH)
        assert newer.count("progress_state") == 4
        assert tuple(m for m in newer if m != "progress_state") == head + ends + tail

    def test_the_matrix_is_complete(self) -> None:
        """Each fault that has a moment is there once for each of them."""
        scripts = list(Script.matrix("0.33.0", GRAPH))
        moments = len(Script.messages("0.33.0", GRAPH)) + 1
        names = [str(script) for script in scripts]
        assert len(names) == len(set(names))
        for how in ("reset", "close", "end"):
            assert sum(f"how='{how}'" in name for name in names) == moments
        assert sum(name.startswith("GoesDeaf(") for name in names) == moments
        assert sum(name.startswith("NeverFinishes(") for name in names) == moments
        assert len(scripts) == 14 + 2 * len(GRAPH) + 11 * moments
