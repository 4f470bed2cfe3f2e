"""Two versions of a template, filled from the same trip and compared."""

from __future__ import annotations

from ..errors import TemplateError, TripError
from ..graph import Graph
from ..trip.published import PublishedTrip
from ..trip.trips import load_trip
from ..workflow import Workflow
from .graphdiff import TemplateDiff, diff_templates
from .template import Template

_SEED = 0


def compare(before: Template, after: Template) -> TemplateDiff:
    """What differs between two templates.

    Both are filled from one trip, so that nothing but their own difference shows: the
    newer one's sample, or the older one's. Where one of the two cannot be filled from
    it, each is filled from its own.

    Raises:
        TemplateError, TripError: one of them cannot be filled, or its sample not be
            read.
    """
    trip = _sample(after, before)
    try:
        graphs = _graph(before, trip), _graph(after, trip)
    except (TemplateError, TripError):
        graphs = from_sample(before).graph, from_sample(after).graph
    return diff_templates((before.manifest, graphs[0]), (after.manifest, graphs[1]))


def from_sample(template: Template) -> Workflow:
    """The workflow that a template gives for its own sample trip.

    Raises:
        TemplateError, TripError: it cannot be filled, or its sample not be read.
    """
    return template.render(_sample(template), seed=_SEED)


def _graph(template: Template, trip: PublishedTrip | None) -> Graph:
    return template.render(trip, seed=_SEED).graph


def _sample(*templates: Template) -> PublishedTrip | None:
    """The first one's sample trip that there is."""
    for template in templates:
        if template.sample_trip.exists():
            return load_trip(template.sample_trip).for_publishing()
    return None
