"""The accounting of executions: per prompt, per attempt, per job."""

from __future__ import annotations

from packaging.version import Version

from comfyclient.testing import Accounts, Execution
from comfyclient.testing.play import ScriptedJob


def taken(prompt_id: str, extra: dict[str, object]) -> Execution:
    """The execution of a job with this extra data."""
    return Execution.of(ScriptedJob(prompt_id, 0, {}, extra, None, Version("1"), {}))


def marked(prompt_id: str, attempt: str, job: str) -> Execution:
    """The execution of a job that a comfyclient sent."""
    origin = {"comfyclient": {"job_id": job}}
    return taken(prompt_id, {"comfyclient_attempt": attempt, "extra_pnginfo": origin})


def test_what_is_counted() -> None:
    """Two attempts of one job are two prompts, two attempts, and one job twice."""
    accounts = Accounts([marked("p1", "a1", "j"), marked("p2", "a2", "j")])
    assert accounts.by_prompt() == {"p1": 1, "p2": 1}
    assert accounts.by_attempt() == {"a1": 1, "a2": 1}
    assert accounts.by_job() == {"j": 2}
    assert len(accounts) == 2


def test_how_they_ended() -> None:
    """What ran to a good end is told apart from what did not end."""
    first, second, third = (marked(f"p{n}", f"a{n}", "j") for n in range(3))
    first.ended, second.ended = "success", "error"
    accounts = Accounts([first, second, third])
    assert list(accounts.succeeded) == [first]
    assert list(accounts.unfinished) == [third]


def test_jobs_of_others() -> None:
    """A prompt without our marks, or with odd ones, is counted as a prompt alone."""
    odd = [
        {},
        {"extra_pnginfo": None},
        {"extra_pnginfo": [1]},
        {"comfyclient_attempt": 5},
    ]
    accounts = Accounts(taken(f"p{n}", extra) for n, extra in enumerate(odd))
    assert accounts.by_prompt().total() == 4
    assert not accounts.by_attempt()
    assert not accounts.by_job()
