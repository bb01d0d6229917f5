"""Queueing tasks from the event loop, which must not wait for the broker.

Queueing is a hint: what is owed is a row with a due time, and a sweep queues what is overdue. So a broker that is
down, or slow, costs latency and no request.
"""

import logging
from concurrent.futures import ThreadPoolExecutor
from threading import BoundedSemaphore
from typing import Any

from celery import Celery

log = logging.getLogger("parley.tasks")

# How many hints may wait for the broker; more are dropped.
_WAITING = 1000


class TaskQueue:
    def __init__(self, app: Celery) -> None:
        self._app = app
        self._sender = ThreadPoolExecutor(1, thread_name_prefix="task-queue")
        self._room = BoundedSemaphore(_WAITING)

    def put(self, task: str, *arguments: Any) -> None:
        """Queue a task by name; returns at once and never fails."""
        if self._room.acquire(blocking=False):
            try:
                self._sender.submit(self._send, task, arguments)
            except RuntimeError:  # the process is ending
                self._room.release()

    def close(self) -> None:
        self._sender.shutdown(wait=True, cancel_futures=True)

    def _send(self, task: str, arguments: tuple[Any, ...]) -> None:
        try:
            self._app.send_task(task, arguments)
        except Exception as error:
            log.warning("could not queue %s (%s); the sweep will", task, type(error).__name__)
        finally:
            self._room.release()
