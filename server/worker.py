"""Celery, made from the settings: the application, its worker and its beat.

Each worker process owns one event loop and one pool of database connections, made after the fork: neither a loop nor
a connection survives one. `tasks.register` names the tasks; they run their coroutines there.

A queued task is a hint: work is a row with a due time, and a sweep queues what is overdue. So nothing of what Celery
holds has to outlive it: no results are kept, and the beat keeps no times of runs.
"""

import asyncio
import logging
import os
import ssl
import warnings
from collections.abc import Awaitable, Callable, Collection
from enum import StrEnum
from typing import TypeVar
from urllib.parse import urlsplit

import uvloop
from celery import Celery, signals
from celery.beat import ScheduleEntry, Scheduler
from celery.platforms import SecurityWarning

from resolvers.process import Pool, Process
from server.broadcast import Hints
from server.embedded.launch import die_with_parent
from server.process import make_pool, make_process
from server.settings import Settings
from server.smtp import make_mailer
from server.task_queue import TaskQueue
from tasks.register import register

Result = TypeVar("Result")

log = logging.getLogger("parley.tasks")


class Queue(StrEnum):
    """Mails wait for an SMTP server, a minute each when it is slow. A worker takes from both in turn, so that ten
    thousand of them stand in nobody's way; and one for each keeps even that minute from the others. The sweep of mails
    stands among them: where nobody works them off, it queues no more."""

    TASKS = "parley"
    MAILS = "parley.mails"


FLUSH_SECONDS = 1.0  # a task's hints have so long to leave; the sweep finds what they say anyway
CONNECTIONS = 2  # of one worker process, which runs one task at a time


def make_app(settings: Settings) -> Celery:
    """Connects to nothing yet; has no tasks yet."""
    app = Celery("parley", broker=settings.broker_address, set_as_current=False)
    app.conf.update(
        accept_content=["json"],
        task_serializer="json",
        result_backend=None,
        task_ignore_result=True,
        task_acks_late=True,  # a worker that is killed gives its task back
        task_reject_on_worker_lost=True,
        worker_cancel_long_running_tasks_on_connection_loss=True,
        worker_prefetch_multiplier=1,
        worker_enable_remote_control=False,
        worker_send_task_events=False,
        broker_connection_retry=True,
        broker_connection_retry_on_startup=True,
        broker_connection_max_retries=None,
        task_default_queue=Queue.TASKS.value,
        task_queues={each.value: {} for each in Queue},
        task_routes={"mail.*": {"queue": Queue.MAILS.value}},
        task_publish_retry=False,  # queueing is a hint, and nobody waits for it
        timezone="UTC",
        broker_use_ssl=_tls(settings.broker_address),
    )
    return app


def _tls(broker: str) -> dict[str, object] | None:
    """A TLS broker must show who it is: by themselves, kombu checks no certificate of Redis, and no name of AMQP."""
    address = urlsplit(broker)
    if address.scheme == "rediss" and "ssl_" not in address.query:
        return {"ssl_cert_reqs": ssl.CERT_REQUIRED}
    if address.scheme == "amqps":
        return {"server_hostname": address.hostname}
    return None


class Home:
    """What one worker process owns."""

    def __init__(self, settings: Settings, app: Celery) -> None:
        self._settings = settings
        self._app = app
        self._opened: tuple[asyncio.Runner, Pool, TaskQueue, Hints, Process] | None = None

    def open(self) -> None:
        """After the fork. Waits for no connection: the database may come later."""
        runner = asyncio.Runner(loop_factory=uvloop.new_event_loop)
        queue = TaskQueue(self._app)
        pool, hints, process = runner.run(self._make(queue))
        self._opened = runner, pool, queue, hints, process

    def run(self, work: Callable[[Process], Awaitable[Result]]) -> Result:
        """Runs it to its end, with this process."""
        if self._opened is None:
            self.open()
        assert self._opened is not None
        runner, _, _, hints, process = self._opened
        return runner.run(_done(work, process, hints))

    def close(self) -> None:
        """Does nothing where it isn't open."""
        opened, self._opened = self._opened, None
        if opened is not None:
            runner, pool, queue, hints, _ = opened
            queue.close()
            runner.run(hints.close())
            runner.run(pool.close())
            runner.close()

    async def _make(self, queue: TaskQueue) -> tuple[Pool, Hints, Process]:
        # None before a task needs it: the loop would stand still while it connects.
        pool = make_pool(self._settings, size=CONNECTIONS, least=0)
        await pool.open(wait=False)
        hints = Hints(self._settings.valkey_address)
        await hints.open()
        return pool, hints, make_process(self._settings, pool, queue.put, hints.publish)


async def _done(work: Callable[[Process], Awaitable[Result]], process: Process, hints: Hints) -> Result:
    try:
        return await work(process)
    finally:
        # The loop stands still between tasks.
        await hints.flush(FLUSH_SECONDS)


def work(settings: Settings, processes: int, queues: Collection[Queue] = tuple(Queue)) -> None:
    """A worker, until SIGTERM; it then lets running tasks end."""
    app = make_app(settings)
    home = Home(settings, app)
    register(app, home.run, make_mailer(settings))
    worker = os.getpid()

    def begin(**_: object) -> None:
        die_with_parent(worker)
        home.open()

    def end(**_: object) -> None:
        home.close()

    signals.worker_process_init.connect(begin, weak=False)
    signals.worker_process_shutdown.connect(end, weak=False)
    _say_only_what_matters()
    # It warns of root for the sake of pickled tasks, which nobody here accepts.
    warnings.filterwarnings("ignore", category=SecurityWarning)
    arguments = ["worker", "--pool=prefork", f"--concurrency={processes}", "--loglevel=INFO"]
    arguments.append(f"--queues={','.join(each.value for each in queues)}")
    app.worker_main(["--quiet", *arguments, "--without-gossip", "--without-mingle", "--without-heartbeat"])


def _say_only_what_matters() -> None:
    """Not each task that comes, goes and is queued: that a sweep found nothing is no news."""
    for name in ("celery.app.trace", "celery.worker.strategy", "celery.beat"):
        logging.getLogger(name).setLevel(logging.WARNING)


class Beat(Scheduler):  # type: ignore[misc]
    """Celery's, with one line where its own has a traceback of a hundred: while the broker is away, each tick fails."""

    def apply_entry(self, entry: ScheduleEntry, producer: object = None) -> None:
        try:
            self.apply_async(entry, producer=producer, advance=False)
        except Exception as error:
            log.warning("could not queue %s (%s); the next beat will", entry.task, type(error).__name__)


def beat(settings: Settings) -> None:
    """Queues what is due by the schedule, until SIGTERM. Two at once do no harm."""
    app = make_app(settings)
    register(app, Home(settings, app).run, make_mailer(settings))
    _say_only_what_matters()
    # In memory: a file of times would only have to be repaired after a crash.
    app.Beat(scheduler=Beat, loglevel="INFO", quiet=True).run()
