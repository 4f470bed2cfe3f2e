"""A web service: order a picture, follow it by server-sent events, fetch it.
In earnest: uvicorn --app-dir examples fastapi_service:app (pip install fastapi uvicorn)
How to run: python examples/fastapi_service.py [name] (it orders one from itself)
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path

import httpx
from fastapi import FastAPI, Response
from fastapi.responses import StreamingResponse

from comfyclient import Client, Trip

TRIP = Path(__file__).parent / "trips" / "qinghai-lake-loop.json"
client = Client.from_config()
app = FastAPI()


@app.post("/pictures", status_code=202)
async def order(trip: Trip, key: str | None = None) -> dict[str, str]:
    """Order a picture; the same key is the same order, however often it is sent."""
    trip = trip.model_copy(update={"photos": ()})  # a path would be a file of ours
    job = await client.asubmit("trip-postcard", trip, idempotency_key=key)
    return {"id": job.id}


@app.get("/pictures/{job_id}/events")
async def events(job_id: str) -> StreamingResponse:
    """What happens to it, as it happens."""
    told = (f"data: {event}\n\n" async for event in client.job(job_id))
    return StreamingResponse(told, media_type="text/event-stream")


@app.get("/pictures/{job_id}")
async def picture(job_id: str) -> Response:
    """The picture, once it is made."""
    card = (await client.job(job_id)).output("postcard")
    return Response(await asyncio.to_thread(card.read), media_type="image/png")


async def main(name: str = "pictures") -> None:
    """Order a picture from this very service, and save it."""
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://here") as web:
        ordered = await web.post("/pictures", json=json.loads(TRIP.read_text()))
        path = f"/pictures/{ordered.json()['id']}"
        print((await web.get(f"{path}/events")).text)
        made = (await web.get(path)).raise_for_status()
    Path(f"{name}-served.png").write_bytes(made.content)
    print(f"saved {name}-served.png")


if __name__ == "__main__":
    with client:
        asyncio.run(main(*sys.argv[1:2]))
