"""The API's process: settings, pool, engine and routes, put together."""

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import redis.asyncio
from starlette.applications import Starlette

from server.broadcast import Hints
from server.connections import Bounds
from server.engine import ParleyEngine
from server.explorer.mount import explorer
from server.graphql.execution import Execution
from server.http.app import build_app
from server.http.health import NotReady
from server.hub.hub import Hub
from server.pages.mount import pages
from server.process import make_limiter, make_pool, make_process
from server.settings import Settings, load
from server.start_page import start_page
from server.task_queue import TaskQueue
from server.teller import Teller
from server.worker import make_app

# Of one process, for live delivery: readers, replays and the sweep.
LIVE_CONNECTIONS = 5

# A part that has not answered by then is not ready.
READY_SECONDS = 2.0


def create_app(settings: Settings | None = None) -> Starlette:
    """The ASGI application; `uvicorn` calls it as a factory."""
    settings = settings or load()
    pool = make_pool(settings)
    tasks = TaskQueue(make_app(settings))
    valkey = redis.asyncio.Redis.from_url(settings.valkey_address, socket_timeout=2, socket_connect_timeout=2)
    hints = Hints(settings.valkey_address)
    teller = Teller()
    limiter = make_limiter(settings)
    process = make_process(settings, pool, tasks.put, hints.publish, teller.moved, limiter)
    execution = Execution(ParleyEngine(process), introspection=settings.introspection)
    # Connections of its own: mutations that wait for a lock shall not hold up what is live.
    live = make_pool(settings, size=LIVE_CONNECTIONS)
    hub = Hub(replace(process, pool=live), execution, hints)

    async def ready() -> None:
        async def database() -> None:
            async with pool.connection() as connection:
                await connection.execute("SELECT 1")

        async def hints() -> None:
            await valkey.ping()

        asked = {"database": asyncio.create_task(database()), "valkey": asyncio.create_task(hints())}
        # What hangs is not waited for, not even for its end.
        await asyncio.wait(asked.values(), timeout=READY_SECONDS)
        missing = [name for name, task in asked.items() if not task.done() or task.exception() is not None]
        for task in asked.values():
            task.cancel()
        if missing:
            raise NotReady(*missing)

    @asynccontextmanager
    async def lifespan(_: Starlette) -> AsyncIterator[None]:
        # The database may come later: until then requests fail, and /readyz says why.
        await pool.open(wait=False)
        await live.open(wait=False)
        await hints.open()
        await hub.open()
        teller.open(process)
        # What is there by now stays, so the collector need not look at it again with each answer.
        gc.collect()
        gc.freeze()
        gc.set_threshold(50_000, 20, 100)
        try:
            yield
        finally:
            await teller.close()
            await hub.close()
            await hints.close()
            await limiter.close()
            await live.close()
            await pool.close()
            await valkey.aclose()
            tasks.close()

    shown = explorer(settings)
    return build_app(
        execution,
        allowed_origins=settings.origins,
        ready=ready,
        trusted_proxies=settings.trusted_proxies,
        streams=hub,
        bounds=Bounds(
            init_seconds=settings.connection_init_seconds,
            seconds=settings.connection_seconds,
            connections=settings.connections,
            connections_of_user=settings.connections_of_user,
        ),
        lifespan=lifespan,
        page=shown.show if shown else None,
        routes=[*start_page(settings), *pages(settings), *(shown.routes if shown else [])],
    )
