"""Does one stage with no hosted model; `hosted_steps` does it with one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from ..errors import ConfigError
from ..templating.stages import StagePart
from ..templating.uploads import TripFiles
from ..timing import Deadline
from ..trip.published import PublishedTrip
from ..words.copywriter import OfflineCopywriter, TripCopy
from ..workflow import InputFile
from .answers import NOTHING, Usage
from .observation import Observation, OfflineObserver
from .records import Source
from .staged import Pictures

Value: TypeAlias = TripCopy | Observation | Pictures | tuple[str, ...] | None


@dataclass(frozen=True, slots=True)
class Done:
    """What a stage gave."""

    value: Value
    files: tuple[InputFile, ...] = ()
    source: Source = "offline"
    model: str | None = None
    request_id: str | None = None
    usage: Usage = NOTHING
    warning: str | None = None


@dataclass(frozen=True, slots=True)
class Task:
    """A stage that is to be done, and what it works from."""

    stage: StagePart
    trip: PublishedTrip | None
    inputs: Mapping[str, Done] = field(default_factory=dict)
    seed: int = 0
    ref: str = ""
    """The template's, for errors."""

    def values(self, kind: type[Value]) -> list[Value]:
        """What the inputs of a kind gave."""
        given = (done.value for done in self.inputs.values())
        return [value for value in given if isinstance(value, kind)]


class Steps:
    """The steps of an environment without hosted models."""

    def do(self, task: Task, *, deadline: Deadline) -> Done:
        """Do a stage.

        Raises:
            ConfigError: it needs a model, and none is configured.
            ModelError, TransportError: the model gave nothing that can be used.
        """
        match task.stage.kind:
            case "copy":
                return self.copy(task, deadline)
            case "observe":
                return self.observe(task, deadline)
            case "paint":
                return self.paint(task, deadline)
            case "upload":
                return _upload(task)
            case "render":
                return Done(None)

    def copy(self, task: Task, deadline: Deadline) -> Done:
        """Words, of the trip's own facts."""
        return Done(OfflineCopywriter().write(trip_of(task)))

    def observe(self, task: Task, deadline: Deadline) -> Done:
        """What is on the photos: nobody looked."""
        return Done(OfflineObserver().look(trip_of(task)))

    def paint(self, task: Task, deadline: Deadline) -> Done:
        """Pictures: nobody paints them."""
        raise ConfigError(
            f"{task.ref} paints, and no image model is configured",
            hint="set dashscope.picture to a model, and key_env to the variable "
            "with the key",
        )


def _upload(task: Task) -> Done:
    """The pictures and photos of its inputs, as files of the graph."""
    files: dict[str, InputFile] = {}
    for done in task.inputs.values():
        if isinstance(done.value, Observation):
            files |= {file.name: file for file in _best(task, done.value)}
        files |= {file.name: file for file in done.files}
    return Done(tuple(files), tuple(files.values()))


def _best(task: Task, seen: Observation) -> Sequence[InputFile]:
    taken = TripFiles(task.trip)
    for photo in trip_of(task).photos:
        if photo.number == seen.best:
            taken.upload(photo)
    return taken.files


def trip_of(task: Task) -> PublishedTrip:
    """The trip that a stage is about."""
    assert task.trip is not None, "a template with stages about a trip requires one"
    return task.trip
