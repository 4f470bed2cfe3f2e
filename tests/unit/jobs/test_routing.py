"""The routing policy, played against simulated servers and read job by job."""

from __future__ import annotations

import itertools
import random

import pytest

from comfyclient.jobs.demands import Demand
from comfyclient.jobs.estimates import Estimates, Learned
from comfyclient.jobs.routing import (
    PASSED_AT_MOST,
    STAYS_FOR,
    Standing,
    Wish,
    choose,
)

from .playing import Fleet, shortest

PLAIN = Demand("plain")
FLUX = Demand("flux", frozenset({"flux.safetensors"}), frozenset({"UNETLoader"}))
KOLORS = Demand("kolors", frozenset({"kolors.safetensors"}), frozenset({"Kolors"}))


def mixed(count: int, *, seed: int) -> tuple[list[Demand], list[int]]:
    """Jobs of three templates in no order, and how many there are of each."""
    kinds = [Demand(f"t{i}", frozenset({f"{i}.safetensors"})) for i in range(3)]
    jobs = [kinds[i % 3] for i in range(count)]
    random.Random(seed).shuffle(jobs)
    return jobs, [jobs.count(kind) for kind in kinds]


@pytest.mark.parametrize(
    ("seed", "apart_s", "most"), [(1, 0.001, 1.05), (2, 0.001, 1.05), (3, 0.02, 1.15)]
)
def test_mixed_templates_come_near_the_best_plan(
    seed: int, apart_s: float, most: float
) -> None:
    """Loading costs ten jobs: twice round robin and more, near the best there can be.

    Nothing is known in advance; the first ones are sent before the last ones are read.
    """
    jobs, counts = mixed(240, seed=seed)
    fleet = Fleet([0.1] * 4, load_s=1.0, chance=random.Random(seed))
    ours = fleet.play(jobs, apart_s=apart_s)
    dealt = Fleet([0.1] * 4, load_s=1.0).deal(jobs)

    assert dealt / ours >= 2
    assert ours / (0.1 * shortest(counts, servers=4, load_s=10)) <= most


@pytest.mark.parametrize("load_s", [0, 1, 3])
@pytest.mark.parametrize("servers", [1, 2, 3])
@pytest.mark.parametrize("counts", [(4,), (1, 4), (3, 2, 2), (5, 1, 1)])
def test_the_best_plan_is_the_best(
    counts: tuple[int, ...], servers: int, load_s: int
) -> None:
    """No way to divide the jobs among the servers is shorter: each one was tried."""
    ways = [
        [
            way
            for way in itertools.product(range(count + 1), repeat=servers)
            if sum(way) == count
        ]
        for count in counts
    ]
    found = min(
        max(
            sum(jobs + load_s for jobs in mine if jobs)
            for mine in zip(*division, strict=True)
        )
        for division in itertools.product(*ways)
    )
    assert shortest(counts, servers=servers, load_s=load_s) == found


def test_servers_of_unequal_speed_load_no_more() -> None:
    """What the slow ones take longer for is no reason to load models again."""
    jobs, _ = mixed(240, seed=1)
    fleet = Fleet([0.1, 0.1, 0.2, 0.3], load_s=1.0, chance=random.Random(1))
    fleet.play(jobs, apart_s=0.001)
    assert fleet.loads <= 9


def test_two_servers_share_four_batches_two_by_two() -> None:
    """Each loads its two once, although the first jobs were thought to take longer."""
    jobs = [Demand(f"t{n}", frozenset({f"{n}.safetensors"})) for n in range(4)] * 30
    random.Random(0).shuffle(jobs)
    fleet = Fleet([1.0, 1.0], load_s=5, chance=random.Random(0))
    fleet.play(jobs, apart_s=0.001)
    assert fleet.loads == 4


def test_a_stream_of_jobs_leaves_room_for_another_callers_batch() -> None:
    """Those go on with what they have loaded; one of them changes over before long."""
    fleet = Fleet([1.0] * 4, load_s=10, chance=random.Random(1))
    for number in range(500):
        fleet.join_at(number / 5, FLUX, lane="stream")
    for _ in range(20):
        fleet.join_at(20, KOLORS, lane="other")
    fleet.run()
    last = max(at for at, _, demand in fleet.done if demand is KOLORS)
    assert last <= 20 + 2 * STAYS_FOR * 10 + 10 + 20
    assert fleet.loads <= 6


def test_equal_servers_share_alike() -> None:
    """Twenty jobs of 0.3 s on two servers take ten turns."""
    assert Fleet([0.3, 0.3]).play([PLAIN] * 20) == pytest.approx(3.0)


def test_no_job_waits_behind_a_slow_server() -> None:
    """With one server three times slower, all is done as early as it can be."""
    assert Fleet([0.3, 0.9]).play([PLAIN] * 20) == pytest.approx(4.5)


def test_a_server_that_is_lost_costs_its_share_alone() -> None:
    """What it had goes to the other one, and every job is done once."""
    fleet = Fleet([0.3, 0.3], lost={1: 1.0})
    assert fleet.play([PLAIN] * 20) <= 0.3 * 20 - 3 * 0.3 + 0.01
    assert len(fleet.done) == 20


def standing(name: str, **values: object) -> Standing:
    """An instance with room."""
    return Standing(name, **{"room": 1, **values})


def learned(**seconds: float) -> Estimates:
    """Durations of plain jobs, by instance."""
    estimates = Estimates()
    for name, value in seconds.items():
        estimates.learn("plain", name, value, loading=False)
    return estimates


def test_a_warm_instance_is_worth_waiting_for() -> None:
    """A job waits for the instance that has its models, while that is sooner."""
    cold = standing("cold")
    warm = standing("warm", room=0, busy_s=5, jobs=2, models=FLUX.models)
    assert choose([Wish(FLUX)], [cold, warm], Estimates()) is None
    warm = standing("warm", room=0, busy_s=500, jobs=2, models=FLUX.models)
    assert choose([Wish(FLUX)], [cold, warm], Estimates()) == (0, "cold")


def test_a_later_job_may_pass() -> None:
    """What is warm here goes first; what is not waits for its own instance."""
    here = standing("here", jobs=1, busy_s=5, models=KOLORS.models)
    there = standing("there", room=0, jobs=2, busy_s=5, models=FLUX.models)
    wishes = [Wish(FLUX), Wish(KOLORS)]
    assert choose(wishes, [here, there], Estimates()) == (1, "here")


KNOWN = Estimates(
    Learned(demand.kind, name, loading, seconds, 9)
    for demand in (FLUX, KOLORS)
    for name in "abc"
    for loading, seconds in [(False, 1.0), (True, 11.0)]
)
"""Work of 1 s, loading of 10 s."""


def test_one_that_is_to_load_goes_on_with_nothing_else() -> None:
    """It has one more job of what is loaded; more would keep it from its own batch."""
    stays = standing("a", jobs=1, busy_s=1, models=FLUX.models)
    goes = standing("b", jobs=1, busy_s=1, models=FLUX.models)
    wishes = [Wish(FLUX)] * 30 + [Wish(KOLORS)] * 30
    index, name = choose(wishes, [stays, goes], KNOWN)
    assert (wishes[index].demand, name) == (FLUX, "a")
    stays.room = 0
    assert choose(wishes, [stays, goes], KNOWN) is None
    goes.jobs, goes.busy_s = 0, 0.0
    index, name = choose(wishes, [stays, goes], KNOWN)
    assert (wishes[index].demand, name) == (KOLORS, "b")


@pytest.mark.parametrize("busy", [(0.1, 0.9), (0.9, 0.1), (2.5, 0.5)])
def test_who_goes_on_and_who_loads_stays_the_same(busy: tuple[float, float]) -> None:
    """Whatever they still have to do: else each plan would have another one load."""
    pair = [
        standing(name, jobs=1, busy_s=left, models=FLUX.models)
        for name, left in zip("ab", busy, strict=True)
    ]
    wishes = [Wish(FLUX)] * 30 + [Wish(KOLORS)] * 30
    assert choose(wishes, pair, KNOWN) == (0, "a")


def test_a_job_is_not_passed_for_ever() -> None:
    """One that very many have passed takes whatever room there is."""
    here = standing("here", jobs=1, busy_s=5, models=KOLORS.models)
    there = standing("there", room=0, jobs=2, busy_s=5, models=FLUX.models)
    wishes = [Wish(FLUX, passed=PASSED_AT_MOST), Wish(KOLORS)]
    assert choose(wishes, [here, there], Estimates()) == (0, "here")


def test_batches_take_turns_where_one_instance_serves_both() -> None:
    """It stays with what is loaded for a while, and then changes."""
    wishes = [Wish(KOLORS)] + [Wish(FLUX)] * 9
    fresh = standing("a", models=FLUX.models, stayed_s=10)
    assert choose(wishes, [fresh], Estimates()) == (1, "a")
    tired = standing("a", models=FLUX.models, stayed_s=1000)
    assert choose(wishes, [tired], Estimates()) == (0, "a")


def test_what_is_done_soon_is_finished_first() -> None:
    """To come back to a few jobs later, their models would be loaded once more."""
    tired = standing("a", models=FLUX.models, stayed_s=59)
    few = [Wish(KOLORS)] + [Wish(FLUX)] * 29
    assert choose(few, [tired], KNOWN) == (1, "a")
    many = [Wish(KOLORS)] + [Wish(FLUX)] * 30
    assert choose(many, [tired], KNOWN) == (0, "a")
    tired.stayed_s = 60  # those few never end: others come after them
    assert choose(few, [tired], KNOWN) == (0, "a")


def test_what_an_instance_lacks_goes_elsewhere() -> None:
    """A node class or model that it was found to lack is not sent there again."""
    without = standing("a", lacks=frozenset({"Kolors"}))
    having = standing("b", jobs=1, busy_s=1000, models=KOLORS.models)
    assert choose([Wish(KOLORS)], [without, having], Estimates()) == (0, "b")
    assert choose([Wish(KOLORS)], [without], Estimates()) == (0, "a")


def test_where_it_came_to_nothing_comes_last() -> None:
    """Another instance takes it, were it slower; with no other, the same one."""
    first, second = standing("a"), standing("b", jobs=1, busy_s=50)
    wish = Wish(PLAIN, last="a")
    assert choose([wish], [first, second], Estimates()) == (0, "b")
    assert choose([wish], [first], Estimates()) == (0, "a")
    assert choose([Wish(PLAIN, avoid={"a"})], [first], Estimates()) is None


def test_a_slow_instance_is_spared_at_the_end() -> None:
    """The last job waits for the fast one; many jobs use both."""
    fast = standing("fast", room=0, jobs=2, busy_s=1)
    slow = standing("slow")
    estimates = learned(fast=1, slow=10)
    assert choose([Wish(PLAIN)], [fast, slow], estimates) is None
    wishes = [Wish(PLAIN)] * 30
    assert choose(wishes, [fast, slow], estimates) == (0, "slow")


def test_priorities_come_first_and_leave_the_rest() -> None:
    """A higher one is placed; a lower one takes what that does not need."""
    one, two = standing("a", models=KOLORS.models), standing("b", models=FLUX.models)
    wishes = [Wish(FLUX, priority=5), Wish(KOLORS)]
    assert choose(wishes, [one, two], Estimates()) == (0, "b")
    two.room = 0
    assert choose(wishes, [one, two], Estimates()) == (1, "a")


def test_a_weight_is_a_share() -> None:
    """An instance of twice the weight takes twice the jobs."""
    big, small = standing("big", weight=2, room=9), standing("small", room=9)
    taken = []
    for _ in range(6):
        _, name = choose([Wish(PLAIN)], [big, small], Estimates())
        one = big if name == "big" else small
        one.jobs, one.busy_s = one.jobs + 1, one.busy_s + 10
        taken.append(name)
    assert (taken.count("big"), taken.count("small")) == (4, 2)
