"""The tasks, by name, and when they run by themselves. Each is a shell around a function of `resolvers/`."""

from collections.abc import Awaitable, Callable
from typing import Any
from uuid import UUID

from celery import Celery

from resolvers import event, link, outbox, read_mark, session, work
from resolvers.mailer import Mailer
from resolvers.process import Process

Run = Callable[[Callable[[Process], Awaitable[Any]]], Any]


def register(app: Celery, run: Run, mailer: Mailer) -> None:
    """Put the tasks on the application; `run` runs a coroutine function with this worker's process."""

    # Acknowledged at its start: one that is acknowledged late is killed where the broker restarts, and nobody knows
    # then whether the mail left. The lease brings back what a dead worker had.
    @app.task(name="mail.send", acks_late=False)
    def send_mail(workspace_id: str, mail_id: str) -> None:
        run(lambda process: outbox.send(process, mailer, UUID(workspace_id), UUID(mail_id)))

    @app.task(name="mail.sweep_due")
    def sweep_due_mails() -> None:
        run(outbox.sweep_due)

    @app.task(name="mail.sweep_ended")
    def sweep_ended_mails() -> None:
        run(outbox.sweep_ended)

    @app.task(name="sessions.sweep_expired")
    def sweep_expired_sessions() -> None:
        run(session.sweep_expired)

    @app.task(name="work.sweep_due")
    def sweep_due_work() -> None:
        run(work.sweep_due)

    @app.task(name="work.do")
    def do_work(workspace_id: str, work_id: str) -> None:
        run(lambda process: work.do(process, UUID(workspace_id), UUID(work_id)))

    @app.task(name="read_marks.tell_what_is_left")
    def tell_read_marks() -> None:
        run(read_mark.tell_what_is_left)

    @app.task(name="events.sweep")
    def sweep_events() -> None:
        run(event.sweep)

    @app.task(name="link.answer")
    def answer_link_request(request_id: str) -> None:
        run(lambda process: link.answer_request(process, UUID(request_id)))

    @app.task(name="link.sweep_requests")
    def sweep_link_requests() -> None:
        run(link.sweep_requests)

    @app.task(name="link.sweep_spent")
    def sweep_spent_links() -> None:
        run(link.sweep_spent)

    app.conf.beat_schedule = {
        "sweep expired sessions": {"task": "sessions.sweep_expired", "schedule": 60.0},
        "sweep requests for links": {"task": "link.sweep_requests", "schedule": 10.0},
        "sweep links of long ago": {"task": "link.sweep_spent", "schedule": 3600.0},
        "sweep due work": {"task": "work.sweep_due", "schedule": 10.0},
        "sweep due mails": {"task": "mail.sweep_due", "schedule": 5.0},
        "sweep mails that have ended": {"task": "mail.sweep_ended", "schedule": 3600.0},
        "sweep events past the retention": {"task": "events.sweep", "schedule": 3600.0},
        "tell read marks": {"task": "read_marks.tell_what_is_left", "schedule": 5.0},
    }
