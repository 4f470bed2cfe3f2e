"""Routes of jobs: list, one, cancel. Only below /api, and only in newer releases."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web

from .jobs import STATUSES, Job, finished_job, is_canonical_uuid, waiting_job
from .parts import Parts


class JobRoutes:
    """Queue and history as one list."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._behaviour = parts.behaviour

    def table(self) -> list[web.RouteDef]:
        """The routes, with the prefix that they need."""
        routes: list[web.RouteDef] = []
        # The server prefixes these twice by mistake; both forms answer.
        for prefix in ("/api", "/api/api"):
            if self._behaviour.jobs_api:
                routes += [
                    web.get(f"{prefix}/jobs", self.jobs),
                    web.get(f"{prefix}/jobs/{{job_id}}", self.job),
                ]
            if self._behaviour.cancel_routes:
                routes += [
                    web.post(f"{prefix}/jobs/cancel", self.cancel_many),
                    web.post(f"{prefix}/jobs/{{job_id}}/cancel", self.cancel),
                ]
        return routes

    async def jobs(self, request: web.Request) -> web.Response:
        """GET /api/jobs."""
        query = request.query
        try:
            wanted = _statuses(query.get("status"))
            key, descending = _order(query)
            limit, offset = _stretch(query)
        except _QueryError as error:
            return web.json_response({"error": str(error)}, status=400)
        listed = [job for job in self._all(wanted) if job["status"] in wanted]
        listed.sort(key=key, reverse=descending)
        total = len(listed)
        stretch = listed[offset : None if limit is None else offset + limit]
        return web.json_response(
            {
                "jobs": stretch,
                "pagination": {
                    "offset": offset,
                    "limit": limit,
                    "total": total,
                    "has_more": offset + len(stretch) < total,
                },
            }
        )

    async def job(self, request: web.Request) -> web.Response:
        """GET /api/jobs/{id}."""
        job_id = request.match_info["job_id"]
        running, pending, history = self._parts.queue.full_snapshot()
        if job_id in history:
            found = finished_job(
                job_id, history[job_id], behaviour=self._behaviour, full=True
            )
            return web.json_response(found)
        for items, status in ((running, "in_progress"), (pending, "pending")):
            for item in items:
                if item.prompt_id == job_id:
                    found = waiting_job(item, status=status, behaviour=self._behaviour)
                    return web.json_response(found)
        return web.json_response({"error": "Job not found"}, status=404)

    async def cancel(self, request: web.Request) -> web.Response:
        """POST /api/jobs/{id}/cancel."""
        cancelled = self._parts.queue.cancel(request.match_info["job_id"])
        return web.json_response({"cancelled": cancelled})

    async def cancel_many(self, request: web.Request) -> web.Response:
        """POST /api/jobs/cancel; one malformed id, and nothing is cancelled."""
        try:
            body = await request.json()
        except (json.JSONDecodeError, UnicodeDecodeError):
            text = "Request body must be valid JSON"
            return web.json_response({"error": text}, status=400)
        job_ids = body.get("job_ids") if isinstance(body, dict) else None
        if not isinstance(job_ids, list):
            text = "job_ids must be a list"
            return web.json_response({"error": text}, status=400)
        if invalid := [str(each) for each in job_ids if not is_canonical_uuid(each)]:
            text = "job_ids contains invalid id(s)"
            return web.json_response(
                {"error": text, "invalid_ids": invalid}, status=400
            )
        done = [self._parts.queue.cancel(job_id) for job_id in job_ids]
        return web.json_response({"cancelled": any(done)})

    def _all(self, wanted: set[str]) -> list[Job]:
        if wanted <= {"pending", "in_progress"}:
            running, pending = self._parts.queue.snapshot()
            history: dict[str, dict[str, Any]] = {}
        else:
            running, pending, history = self._parts.queue.full_snapshot()
        behaviour = self._behaviour
        return [
            *(waiting_job(i, status="pending", behaviour=behaviour) for i in pending),
            *(
                waiting_job(i, status="in_progress", behaviour=behaviour)
                for i in running
            ),
            *(
                finished_job(job_id, entry, behaviour=behaviour)
                for job_id, entry in history.items()
            ),
        ]


class _QueryError(ValueError):
    """A query value that the list refuses, in the server's words."""


def _statuses(text: str | None) -> set[str]:
    if not text:
        return set(STATUSES)
    asked = [part.strip().lower() for part in text.split(",")]
    asked = [part for part in asked if part]
    if unknown := [part for part in asked if part not in STATUSES]:
        raise _QueryError(
            f"Invalid status value(s): {', '.join(unknown)}. "
            f"Valid values: {', '.join(STATUSES)}"
        )
    return set(asked)


def _order(query: Any) -> tuple[Any, bool]:
    by = query.get("sort_by", "created_at").lower()
    if by not in ("created_at", "execution_duration"):
        raise _QueryError("sort_by must be 'created_at' or 'execution_duration'")
    order = query.get("sort_order", "desc").lower()
    if order not in ("asc", "desc"):
        raise _QueryError("sort_order must be 'asc' or 'desc'")
    key = _created if by == "created_at" else _duration
    return key, order == "desc"


def _created(job: Job) -> float:
    return float(job.get("create_time") or 0)


def _duration(job: Job) -> float:
    start = job.get("execution_start_time") or 0
    return float((job.get("execution_end_time") or start) - start)


def _stretch(query: Any) -> tuple[int | None, int]:
    limit = None
    if "limit" in query:
        limit = _integer(query["limit"], "limit")
        if limit < 1:
            raise _QueryError("limit must be a positive integer")
    return limit, max(_integer(query.get("offset", "0"), "offset"), 0)


def _integer(text: str, name: str) -> int:
    try:
        return int(text)
    except ValueError:
        raise _QueryError(f"{name} must be an integer") from None
