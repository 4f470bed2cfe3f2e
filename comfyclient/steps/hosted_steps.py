"""Does one stage with a hosted model, where one is configured for it."""

from __future__ import annotations

from collections.abc import Callable

from ..timing import Deadline
from ..words.copywriter import TripCopy
from .calls import Image
from .model_copywriter import ModelCopywriter
from .observation import Observation
from .observer import ModelObserver, image_of
from .painter import ModelPainter
from .staged import Pictures
from .steps import Done, Steps, Task, trip_of


class HostedSteps(Steps):
    """The steps of an environment with hosted models.

    Each function makes what asks a model: the one that a stage names, or for an empty
    text the environment's own. It gives None where none is configured.
    """

    def __init__(
        self,
        *,
        copywriter: Callable[[str], ModelCopywriter | None],
        observer: Callable[[str], ModelObserver | None],
        painter: Callable[[str], ModelPainter | None],
    ) -> None:
        self._copywriter = copywriter
        self._observer = observer
        self._painter = painter

    def copy(self, task: Task, deadline: Deadline) -> Done:
        """Words, by a text model."""
        writer = self._copywriter(task.stage.model)
        if writer is None:
            return super().copy(task, deadline)
        seen = [
            photo.shows
            for observation in task.values(Observation)
            if isinstance(observation, Observation)
            for photo in observation.photos
            if photo.fit and photo.shows
        ]
        written = writer.compose(trip_of(task), seen=seen, deadline=deadline)
        return Done(
            written.copy,
            source=written.source,
            model=written.model,
            request_id=written.request_id,
            usage=written.usage,
            warning=written.warning,
        )

    def observe(self, task: Task, deadline: Deadline) -> Done:
        """What is on the photos, by a vision model."""
        observer = self._observer(task.stage.model)
        if observer is None:
            return super().observe(task, deadline)
        looked = observer.observe(trip_of(task), deadline=deadline)
        return Done(
            looked.observation,
            source=looked.source,
            model=looked.model,
            request_id=looked.request_id,
            usage=looked.usage,
            warning=looked.warning,
        )

    def paint(self, task: Task, deadline: Deadline) -> Done:
        """Pictures, by an image model."""
        stage = task.stage
        painter = self._painter(stage.model)
        if painter is None:
            return super().paint(task, deadline)
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


def _images(task: Task) -> tuple[Image, ...]:
    """The best photo of an observe stage that it works from."""
    best = {v.best for v in task.values(Observation) if isinstance(v, Observation)}
    if not best or task.trip is None:
        return ()
    return tuple(image_of(p) for p in task.trip.photos if p.number in best)


def _prompt(task: Task) -> str:
    words = [c.poster_prompt for c in task.values(TripCopy) if isinstance(c, TripCopy)]
    return ", ".join([*words, *([task.stage.prompt] if task.stage.prompt else [])])
