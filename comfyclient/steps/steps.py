"""Does one stage: with a hosted model where one is configured, else without."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
from .calls import Image
from .model_copywriter import ModelCopywriter
from .observation import Observation, OfflineObserver
from .observer import ModelObserver, image_of
from .painter import ModelPainter
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
    """The steps of one environment; each function makes one for a model, or None."""

    def __init__(
        self,
        *,
        copywriter: Callable[[str], ModelCopywriter | None] = lambda _: None,
        observer: Callable[[str], ModelObserver | None] = lambda _: None,
        painter: Callable[[str], ModelPainter | None] = lambda _: None,
    ) -> None:
        """Keep the makers.

        Each takes the model that a stage names, or an empty text for the environment's
        own, and gives None where none is configured.
        """
        self._copywriter = copywriter
        self._observer = observer
        self._painter = painter

    def do(self, task: Task, *, deadline: Deadline) -> Done:
        """Do a stage.

        Raises:
            ConfigError: it needs a model, and none is configured.
            ModelError, TransportError: the model gave nothing that can be used.
        """
        match task.stage.kind:
            case "copy":
                return self._copy(task, deadline)
            case "observe":
                return self._observe(task, deadline)
            case "paint":
                return self._paint(task, deadline)
            case "upload":
                return _upload(task)
            case "render":
                return Done(None)

    def _copy(self, task: Task, deadline: Deadline) -> Done:
        trip = _trip(task)
        writer = self._copywriter(task.stage.model)
        if writer is None:
            return Done(OfflineCopywriter().write(trip))
        seen = [
            photo.shows
            for observation in task.values(Observation)
            if isinstance(observation, Observation)
            for photo in observation.photos
            if photo.fit and photo.shows
        ]
        written = writer.compose(trip, seen=seen, deadline=deadline)
        return Done(
            written.copy,
            source=written.source,
            model=written.model,
            request_id=written.request_id,
            usage=written.usage,
            warning=written.warning,
        )

    def _observe(self, task: Task, deadline: Deadline) -> Done:
        trip = _trip(task)
        observer = self._observer(task.stage.model)
        if observer is None:
            return Done(OfflineObserver().look(trip))
        looked = observer.observe(trip, deadline=deadline)
        return Done(
            looked.observation,
            source=looked.source,
            model=looked.model,
            request_id=looked.request_id,
            usage=looked.usage,
            warning=looked.warning,
        )

    def _paint(self, task: Task, deadline: Deadline) -> Done:
        stage = task.stage
        painter = self._painter(stage.model)
        if painter is None:
            raise ConfigError(
                f"{task.ref} paints, and no image model is configured",
                hint="set dashscope.picture to a model, and key_env to the variable "
                "with the key",
            )
        painted = painter.paint(
            _prompt(task),
            size=stage.size or None,
            count=stage.count,
            seed=task.seed,
            negative=stage.negative,
            images=_images(task),
            deadline=deadline,
        )
        return Done(
            Pictures(count=len(painted.files), failed=painted.failed),
            tuple(file.input_file() for file in painted.files),
            source="model",
            model=painted.model,
            request_id=painted.request_id,
            usage=painted.usage,
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
    for photo in _trip(task).photos:
        if photo.number == seen.best:
            taken.upload(photo)
    return taken.files


def _images(task: Task) -> tuple[Image, ...]:
    """The best photo of an observe stage that it works from."""
    best = {v.best for v in task.values(Observation) if isinstance(v, Observation)}
    if not best or task.trip is None:
        return ()
    return tuple(image_of(p) for p in task.trip.photos if p.number in best)


def _prompt(task: Task) -> str:
    words = [c.poster_prompt for c in task.values(TripCopy) if isinstance(c, TripCopy)]
    return ", ".join([*words, *([task.stage.prompt] if task.stage.prompt else [])])


def _trip(task: Task) -> PublishedTrip:
    assert task.trip is not None, "a template with stages about a trip requires one"
    return task.trip
