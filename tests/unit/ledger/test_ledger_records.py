"""States, stored errors and redaction."""

from __future__ import annotations

import inspect

import pytest

from comfyclient import errors
from comfyclient.errors import ComfyClientError, ExecutionError, JobError
from comfyclient.ledger.records import (
    MAX_MESSAGE,
    UNSETTLED,
    JobState,
    StoredError,
    redacted,
    storable,
)

ERROR_CLASSES = [
    kind
    for _, kind in inspect.getmembers(errors, inspect.isclass)
    if issubclass(kind, ComfyClientError)
]


def test_terminal_states() -> None:
    """A server has nothing more to do for five of the states."""
    terminal = {state for state in JobState if state.terminal}

    assert terminal == {
        JobState.SUCCEEDED,
        JobState.FAILED,
        JobState.CANCELLED,
        JobState.LOST,
        JobState.COLLECTED,
    }


def test_a_succeeded_job_is_not_settled() -> None:
    """A job that succeeded still has its files to bring home."""
    assert set(UNSETTLED) == {
        JobState.INTENDED,
        JobState.ACCEPTED,
        JobState.RUNNING,
        JobState.SUCCEEDED,
    }


@pytest.mark.parametrize("state", JobState)
def test_no_state_becomes_itself(state: JobState) -> None:
    """A repeated report is no news."""
    assert not state.may_become(state)


@pytest.mark.parametrize("ended", [s for s in JobState if s.terminal])
@pytest.mark.parametrize("open_", [s for s in JobState if not s.terminal])
def test_an_ended_job_never_runs_again(ended: JobState, open_: JobState) -> None:
    """A late report of an earlier state is no news; every ending is."""
    assert not ended.may_become(open_)
    assert open_.may_become(ended) is (ended is not JobState.COLLECTED)


def test_the_first_ending_stands_unless_it_was_lost() -> None:
    """Only a job called lost may turn out to have ended otherwise, and only one that
    succeeded may still lose what it made."""
    firm = (JobState.SUCCEEDED, JobState.FAILED, JobState.CANCELLED)

    assert not any(a.may_become(b) for a in firm for b in firm)
    assert [a for a in JobState if a.may_become(JobState.LOST) and a.terminal] == [
        JobState.SUCCEEDED
    ]
    assert all(JobState.LOST.may_become(state) for state in firm)


def test_only_a_success_is_collected() -> None:
    """Collected follows succeeded and nothing else."""
    before = [s for s in JobState if s.may_become(JobState.COLLECTED)]

    assert before == [JobState.SUCCEEDED]


@pytest.mark.parametrize("kind", ERROR_CLASSES)
def test_every_error_class_revives(kind: type[ComfyClientError]) -> None:
    """Whatever class an error has, another process raises the same one."""
    stored = StoredError.of(kind("it broke", hint="mend it"))
    revived = stored.revived(job_id="j1", instance="a")

    assert type(revived) is kind
    assert (revived.message, revived.hint) == ("it broke", "mend it")
    assert (revived.job_id, revived.instance) == ("j1", "a")


def test_node_is_kept() -> None:
    """The node that failed is still named after a restart."""
    error = ExecutionError("no", node_id="7", class_type="KSampler")
    revived = StoredError.of(error).revived()

    assert isinstance(revived, ExecutionError)
    assert (revived.node_id, revived.class_type) == ("7", "KSampler")


@pytest.mark.parametrize("kind", ["NoSuchError", "dataclass", "Retry", "annotations"])
def test_unknown_class_revives_as_job_error(kind: str) -> None:
    """An error of a newer version, or a name that is no error, is a JobError."""
    assert type(StoredError(kind, "words").revived()) is JobError


@pytest.mark.parametrize(
    "text",
    [
        "GET https://b.oss-cn.aliyuncs.com/a.png?OSSAccessKeyId=K1&Signature=S3CRET x",
        "postgresql+psycopg://user:S3CRET@host/db refused",
        "header Authorization: Bearer S3CRETS3CRET",
        "Authorization: S3CRET",
        "token=S3CRET&x=1",
        '{"api_key": "S3CRET"}',
        "x-api-key: S3CRET",
        "access_key_secret = S3CRET",
        "password='S3CRET'",
        "the key sk-S3CRETS3CRET was refused",
        "wss://h/ws?clientId=1&token=S3CRET",
    ],
)
def test_secrets_are_redacted(text: str) -> None:
    """Keys, tokens and signed queries do not reach the ledger."""
    assert "S3CRET" not in redacted(text)


@pytest.mark.parametrize(
    "text",
    [
        "node 7 (KSampler): value 5 is over the maximum 3",
        "http://127.0.0.1:8188/prompt answered 502",
        "the tokenizer has no such token",
        "",
    ],
)
def test_plain_words_stay(text: str) -> None:
    """Redaction leaves an ordinary message as it is."""
    assert redacted(text) == text


def test_storable_text() -> None:
    """Long text is cut; NUL and half characters are written out."""
    assert storable("a\0b\udc80c") == "a\\0b\\udc80c"
    assert len(storable("é" * 5000)) == MAX_MESSAGE
    assert storable("é" * 5000).endswith("é…")
