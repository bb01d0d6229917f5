"""The API's process: settings, pool, engine and routes, put together."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import redis.asyncio
from starlette.applications import Starlette

from server.engine import ParleyEngine
from server.http.app import build_app
from server.http.health import NotReady
from server.process import make_pool, make_process
from server.settings import Settings, load
from server.task_queue import TaskQueue
from server.worker import make_app


def create_app(settings: Settings | None = None) -> Starlette:
    """The ASGI application; `uvicorn` calls it as a factory."""
    settings = settings or load()
    pool = make_pool(settings)
    tasks = TaskQueue(make_app(settings))
    valkey = redis.asyncio.Redis.from_url(settings.valkey_address, socket_timeout=2, socket_connect_timeout=2)
    process = make_process(settings, pool, tasks.put)

    async def ready() -> None:
        missing = []
        try:
            async with pool.connection(timeout=2) as connection:
                await connection.execute("SELECT 1")
        except Exception:
            missing.append("database")
        try:
            await valkey.ping()
        except Exception:
            missing.append("valkey")
        if missing:
            raise NotReady(*missing)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        # The database may come later: until then requests fail, and /readyz says why.
        await pool.open(wait=False)
        try:
            yield
        finally:
            await pool.close()
            await valkey.aclose()
            tasks.close()

    return build_app(ParleyEngine(process), allowed_origins=settings.origins, ready=ready, lifespan=lifespan)
