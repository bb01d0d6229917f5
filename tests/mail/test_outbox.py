"""The outbox: each mail leaves once, none is lost, and what it is about is looked at in the last moment."""

import asyncio
import logging
from typing import Any

import pytest

from models.mail import MailKind, lock_due_mail, try_server_again
from resolvers import outbox
from resolvers.operation import Transaction, operate
from resolvers.process import Process
from server.mail_catcher.mailbox import Mailbox
from server.smtp import Smtp
from tests.cast import Person
from tests.ledger import Ledger
from tests.mail.owed import mailer_to, owe, server_is_back
from tests.mail.smtp_server import gone, silence, smtp_server_that
from tests.races import blocked, held, rows
from tests.running import free_port


async def _look_again(transaction: Transaction) -> None:
    assert await try_server_again.first(transaction.connection, lease=60)


def subjects(mailbox: Mailbox) -> list[Any]:
    return [mail.view()["subject"] for mail in reversed(mailbox.newest_first())]


class TestAMail:
    async def test_is_queued_by_the_operation_that_wants_it_and_sent_once(
        self, process: Process, mailer: Smtp, mailbox: Mailbox, ivy: Person, queued: list[Any]
    ) -> None:
        owed = await owe(process, ivy)
        assert queued == [("mail.send", str(ivy.workspace_id), str(owed.id))]
        assert [await owed.send(mailer) for _ in range(3)] == [True, False, False]
        (mail,) = mailbox.newest_first()
        assert mail.recipients == ("ivy@client.test",)
        assert mail.sender == "no-reply@parley.test"
        headers = dict(mail.view()["headers"])  # type: ignore[call-overload]
        assert headers["Message-ID"] == await owed.get("message_id")
        assert await owed.get("status", "attempts", "unknown_attempts", "failure") == ("SENT", 1, 0, None)

    async def test_is_not_sent_for_another_workspace(
        self, process: Process, mailer: Smtp, mailbox: Mailbox, ivy: Person, zoe: Person
    ) -> None:
        owed = await owe(process, ivy)
        assert await outbox.send(process, mailer, zoe.workspace_id, owed.id) is False
        assert mailbox.newest_first() == []

    async def test_that_is_due_is_found_by_the_sweep_though_nobody_queued_it(
        self, process: Process, ivy: Person, queued: list[Any]
    ) -> None:
        owed = await owe(process, ivy)
        queued.clear()
        assert [await outbox.sweep_due(process) for _ in range(2)] == [1, 0]
        assert queued == [("mail.send", str(ivy.workspace_id), str(owed.id))]
        await rows(process, "UPDATE mail SET queued_until = clock_timestamp() RETURNING 1")
        assert await outbox.sweep_due(process) == 1

    async def test_is_owed_no_more_where_its_operation_fails(self, process: Process, ivy: Person) -> None:
        owed = await owe(process, ivy)

        async def fail(transaction: Transaction) -> None:
            await outbox.post(transaction, MailKind.INVITATION, ivy.user_id, owed.link_id)
            raise ZeroDivisionError

        with pytest.raises(ZeroDivisionError):
            await operate(process, ivy.workspace_id, fail)
        assert await rows(process, "SELECT id FROM mail") == [(owed.id,)]

    async def test_has_a_link_that_is_good_from_when_it_is_sent(
        self, process: Process, mailer: Smtp, ivy: Person, ada: Person
    ) -> None:
        for person, kind, seconds in ((ivy, MailKind.INVITATION, 7 * 86400), (ada, MailKind.SIGN_IN, 900)):
            owed = await owe(process, person, kind)
            await rows(process, "UPDATE link SET expires_at = now() - interval '1 hour' RETURNING 1")
            await owed.send(mailer)
            ((left,),) = await rows(
                process,
                "SELECT extract(epoch FROM expires_at - clock_timestamp()) FROM link WHERE id = %s",
                owed.link_id,
            )
            assert seconds - 60 < left <= seconds

    @pytest.mark.parametrize(
        "because", ["the server is away", "another looks for it", "too many are unknown", "no url"]
    )
    async def test_leaves_its_link_as_it_was_where_it_does_not_leave(
        self, process: Process, mailer: Smtp, mailbox: Mailbox, ada: Person, because: str
    ) -> None:
        """An earlier copy may have arrived; only a later one makes it good for longer."""
        owed = await owe(process, ada, MailKind.SIGN_IN)
        until = "SELECT expires_at FROM link"
        async with smtp_server_that(end=silence) as server:
            await owed.send(mailer_to(server.port, seconds=1))
            assert len(server.taken) == 1
        before = await rows(process, until)
        await owed.make_due()
        if because == "another looks for it":
            await server_is_back(process)
            async with held(process, ada.workspace_id, _look_again) as looking:
                sending = asyncio.create_task(owed.send(mailer))
                await blocked(process, sending)
                await looking.commit()
                assert await sending is False
        else:
            if because == "too many are unknown":
                await rows(process, "UPDATE mail SET unknown_attempts = 4 RETURNING 1")
            if because == "no url":
                await rows(process, "UPDATE workspace SET sign_in_url = 'x' RETURNING 1")
            assert await owed.send(mailer) is False
        assert await rows(process, until) == before
        assert mailbox.newest_first() == []
        if because == "the server is away":
            await server_is_back(process)
            assert await owed.send(mailer) is True
            assert await rows(process, until) > before

    async def test_of_long_ago_is_deleted_unless_it_still_waits(
        self, process: Process, mailer: Smtp, ivy: Person
    ) -> None:
        old, recent, waiting = [await owe(process, ivy) for _ in range(3)]
        await old.send(mailer)
        await recent.send(mailer)
        await rows(process, "UPDATE mail SET ended_at = now() - interval '91 days' WHERE id = %s RETURNING 1", old.id)
        await rows(process, "UPDATE mail SET created_at = now() - interval '1 year' RETURNING 1")
        assert [await outbox.sweep_ended(process) for _ in range(2)] == [1, 0]
        assert {id for (id,) in await rows(process, "SELECT id FROM mail")} == {recent.id, waiting.id}


class TestWhatIsGone:
    async def test_is_not_mailed(self, process: Process, mailer: Smtp, mailbox: Mailbox, ivy: Person) -> None:
        owed = await owe(process, ivy)
        await owed.end_link()
        assert await owed.send(mailer) is False
        assert await owed.get("status", "failure") == ("CANCELLED", None)
        assert mailbox.newest_first() == []

    @pytest.mark.parametrize(
        ("kind", "status"),
        [
            (MailKind.INVITATION, "ACTIVE"),
            (MailKind.INVITATION, "DEACTIVATED"),
            (MailKind.SIGN_IN, "DEACTIVATED"),
            (MailKind.SIGN_IN, "INVITED"),
            (MailKind.RESET, "DEACTIVATED"),
            (MailKind.RESET, "INVITED"),
        ],
    )
    async def test_is_also_the_status_that_a_mail_is_for(
        self, process: Process, mailer: Smtp, mailbox: Mailbox, cleo: Person, kind: MailKind, status: str
    ) -> None:
        owed = await owe(process, cleo, kind)
        await rows(process, 'UPDATE "user" SET status = %s WHERE id = %s RETURNING 1', status, cleo.user_id)
        assert await owed.send(mailer) is False
        assert await owed.status() == "CANCELLED"
        assert mailbox.newest_first() == []

    async def test_while_the_server_was_away_is_not_mailed_then(
        self, process: Process, mailer: Smtp, mailbox: Mailbox, ivy: Person
    ) -> None:
        owed = await owe(process, ivy)
        await owed.send(mailer_to(free_port()))
        await owed.end_link()
        await server_is_back(process)
        assert await owed.send(mailer) is False
        assert await owed.status() == "CANCELLED"
        assert mailbox.newest_first() == []

    async def test_is_looked_at_after_the_lock_in_a_fresh_snapshot(
        self, process: Process, mailer: Smtp, mailbox: Mailbox, ivy: Person
    ) -> None:
        """Also what became known between the snapshot of the statement that locks, and the lock."""
        owed = await owe(process, ivy)
        lock, ended = lock_due_mail.first, asyncio.Event()

        async def lock_and_wait(*given: Any, **named: Any) -> Any:
            found = await lock(*given, **named)
            await owed.end_link()
            ended.set()
            return found

        lock_due_mail.first = lock_and_wait  # type: ignore[method-assign]
        try:
            assert await owed.send(mailer) is False
        finally:
            del lock_due_mail.first  # type: ignore[method-assign]
        assert ended.is_set()
        assert await owed.status() == "CANCELLED"

    async def test_is_rendered_as_it_is_now(
        self, process: Process, mailer: Smtp, mailbox: Mailbox, ivy: Person, ada: Person
    ) -> None:
        owed = await owe(process, ivy, created_by=ada.user_id)
        await rows(
            process,
            "UPDATE \"user\" SET name = 'Ivy Lane', email = 'ivy@new.test' WHERE id = %s RETURNING 1",
            ivy.user_id,
        )
        await rows(process, "UPDATE \"user\" SET name = 'Ada Byron' WHERE id = %s RETURNING 1", ada.user_id)
        await owed.send(mailer)
        (mail,) = mailbox.newest_first()
        assert mail.recipients == ("ivy@new.test",)
        assert mail.view()["subject"] == "Ada Byron invites you to Northwind Studio"
        assert "Hello Ivy Lane," in str(mail.view()["text"])


class TestTwoWorkersAtOnce:
    async def test_send_it_once(self, process: Process, mailer: Smtp, mailbox: Mailbox, ivy: Person) -> None:
        owed = await owe(process, ivy)
        async with held(
            process, ivy.workspace_id, lambda transaction: outbox._begin(transaction, mailer, owed.id)
        ) as first:
            # The other has the row: nothing to do, and nothing to wait for.
            assert await owed.send(mailer) is False
            attempt = await first.commit()
        assert attempt.number == 1
        assert await owed.send(mailer) is False
        assert mailbox.newest_first() == []

    async def test_hold_no_lock_while_they_speak_to_the_server(self, process: Process, ivy: Person) -> None:
        go = asyncio.Event()

        async def wait() -> str:
            await go.wait()
            return "250 good"

        owed = await owe(process, ivy)
        async with smtp_server_that(RCPT=wait) as server:
            sending = asyncio.create_task(owed.send(mailer_to(server.port)))
            await server.reached["RCPT"].wait()
            await rows(process, "SELECT 1 FROM mail JOIN link ON link.id = link_id FOR UPDATE NOWAIT")
            await rows(process, 'SELECT 1 FROM "user" FOR UPDATE NOWAIT')
            assert await owed.get("attempts", "attempt_ends_by IS NOT NULL") == (1, True)
            go.set()
            assert await sending is True
            assert len(server.taken) == 1

    async def test_and_the_first_too_late_record_only_what_the_last_found(self, process: Process, ivy: Person) -> None:
        go = asyncio.Event()

        async def wait() -> str:
            await go.wait()
            return "550 nobody"

        owed = await owe(process, ivy)
        async with smtp_server_that(RCPT=wait) as slow, smtp_server_that() as good:
            first = asyncio.create_task(owed.send(mailer_to(slow.port)))
            await slow.reached["RCPT"].wait()
            await owed.make_due()  # its lease is over
            async with smtp_server_that(RCPT="450 later") as busy:
                await owed.send(mailer_to(busy.port))
            go.set()
            await first
            assert await owed.get("status", "attempts", "failure") == ("WAITING", 2, "450 at RCPT")
            await owed.make_due()
            await owed.send(mailer_to(good.port))
        assert await owed.get("status", "attempts", "unknown_attempts") == ("SENT", 3, 1)


class TestAServerThatIsAway:
    async def test_for_an_hour_delays_all_and_loses_none(
        self, process: Process, mailer: Smtp, mailbox: Mailbox, ivy: Person, cleo: Person, ada: Person
    ) -> None:
        away = mailer_to(free_port())
        owed = [
            await owe(process, ivy),
            await owe(process, cleo, MailKind.SIGN_IN),
            await owe(process, ada, MailKind.RESET),
        ]
        pauses = []
        for _ in range(12):
            for each in owed:
                await each.send(away)
            ((pause,),) = await rows(process, "SELECT extract(epoch FROM until - clock_timestamp()) FROM smtp_outage")
            pauses.append(float(pause))
            await server_is_back(process)
        assert all(3 < pause <= 375 for pause in pauses)
        assert pauses[0] < 7
        assert pauses[-1] > 200
        # One looks each time; the others wait for what it finds.
        assert sum([await each.get("attempts") for each in owed]) == 12
        assert {await each.get("status", "unknown_attempts", "put_off_since") for each in owed} == {
            ("WAITING", 0, None)
        }
        for each in owed:
            await each.send(mailer)
        assert [await each.status() for each in owed] == ["SENT"] * 3
        assert len(mailbox.newest_first()) == 3
        assert await rows(process, "SELECT * FROM smtp_outage") == []

    async def test_backs_off_all_mails_and_the_sweep(
        self, process: Process, mailer: Smtp, mailbox: Mailbox, ivy: Person, cleo: Person
    ) -> None:
        first, second = await owe(process, ivy), await owe(process, cleo, MailKind.SIGN_IN)
        await first.send(mailer_to(free_port()))
        assert await second.send(mailer) is False
        assert await second.get("status", "attempts") == ("WAITING", 0)
        assert await outbox.sweep_due(process) == 0
        await server_is_back(process)
        assert await outbox.sweep_due(process) == 2

    async def test_is_tried_by_one_at_a_time(self, process: Process, ivy: Person, cleo: Person) -> None:
        owed = [await owe(process, ivy), await owe(process, cleo, MailKind.SIGN_IN)]
        await owed[0].send(mailer_to(free_port()))
        await server_is_back(process)
        go = asyncio.Event()

        async def wait() -> str:
            await go.wait()
            return "220 ready"

        async with smtp_server_that(greeting=wait) as server:
            mailer = mailer_to(server.port)
            sending = asyncio.create_task(owed[0].send(mailer))
            await server.reached["greeting"].wait()
            assert await owed[1].send(mailer) is False
            go.set()
            await sending
            assert await owed[1].send(mailer) is True
            assert len(server.taken) == 2

    async def test_is_away_for_no_longer_because_a_clock_was_ahead_when_it_went(
        self, process: Process, mailer: Smtp, mailbox: Mailbox, ivy: Person, ledger: Ledger
    ) -> None:
        owed = await owe(process, ivy)
        await ledger.sql("INSERT INTO smtp_outage VALUES (1, 1, clock_timestamp() + interval '1 year')")
        assert await outbox.sweep_due(process) == 1
        assert await owed.send(mailer) is True
        assert await owed.status() == "SENT"
        assert await ledger.sql("SELECT * FROM smtp_outage") == []

    async def test_is_not_said_to_be_back_by_an_attempt_that_came_too_late_to_speak_to_it(
        self, process: Process, ivy: Person
    ) -> None:
        owed, away = await owe(process, ivy), free_port()
        await owed.send(mailer_to(away))
        await server_is_back(process)
        assert await owed.send(mailer_to(away, seconds=0)) is True
        assert await owed.get("status", "failure") == ("WAITING", "too late at connecting")
        assert await rows(process, "SELECT failures FROM smtp_outage") == [(1,)]

    @pytest.mark.parametrize(
        ("at", "failure"),
        [
            ({"greeting": "421 not now"}, "421 at connecting"),
            ({"greeting": "554 never"}, "554 at connecting"),
            ({"greeting": gone}, "SMTPConnectError at connecting"),
            ({"greeting": "nonsense"}, "no SMTP at connecting"),
            ({"EHLO": "421 closing", "HELO": "421 closing"}, "421 at connecting"),
            ({"MAIL": "421 closing"}, "421 at MAIL"),
        ],
        ids=lambda at: next(iter(at)) if isinstance(at, dict) else at,
    )
    async def test_says_so_before_it_hears_of_a_mail(
        self, process: Process, ivy: Person, at: dict[str, Any], failure: str
    ) -> None:
        owed = await owe(process, ivy)
        async with smtp_server_that(**at) as server:
            await owed.send(mailer_to(server.port))
        assert await owed.get("status", "failure", "put_off_since", "unknown_attempts") == ("WAITING", failure, None, 0)
        assert await owed.get("due_at <= clock_timestamp()")
        assert await rows(process, "SELECT failures FROM smtp_outage") == [(1,)]

    async def test_that_is_silent_from_the_beginning_is_away(self, process: Process, ivy: Person) -> None:
        owed = await owe(process, ivy)
        async with smtp_server_that(greeting=silence) as server:
            await owed.send(mailer_to(server.port, seconds=1))
        assert await owed.get("status", "failure") == ("WAITING", "silence at connecting")
        assert await rows(process, "SELECT failures FROM smtp_outage") == [(1,)]

    @pytest.mark.parametrize("stage", ["MAIL", "RCPT", "DATA"])
    async def test_that_falls_silent_puts_the_mail_off_and_backs_off_all(
        self, process: Process, ivy: Person, stage: str
    ) -> None:
        owed = await owe(process, ivy)
        async with smtp_server_that(**{stage: silence}) as server:
            await owed.send(mailer_to(server.port, seconds=1))
        assert await owed.get("status", "failure", "unknown_attempts") == ("WAITING", f"silence at {stage}", 0)
        assert await rows(process, "SELECT failures FROM smtp_outage") == [(1,)]


class TestAMailThatIsNotTaken:
    @pytest.mark.parametrize("answer", ["450 later", "421 busy", "452 full"])
    @pytest.mark.parametrize("stage", ["RCPT", "DATA", "end"])
    async def test_now_is_put_off_longer_and_longer(
        self, process: Process, ivy: Person, stage: str, answer: str
    ) -> None:
        owed = await owe(process, ivy)
        async with smtp_server_that(**{stage: answer}) as server:
            waits = []
            for age in (0, 10, 30, 600):
                await rows(process, f"UPDATE mail SET put_off_since = put_off_since - interval '{age} min' RETURNING 1")
                await owed.make_due()
                assert await owed.send(mailer_to(server.port)) is True
                assert await owed.send(mailer_to(server.port)) is False
                waits.append(float(await owed.get("extract(epoch FROM due_at - clock_timestamp())")) / 60)
            assert server.taken == []
        for wait, about in zip(waits, (1, 10, 40, 60), strict=True):
            assert 0.7 * about < wait < 1.3 * about
        at = "the end of DATA" if stage == "end" else stage
        assert await owed.get("status", "unknown_attempts", "failure") == ("WAITING", 0, f"{answer[:3]} at {at}")
        assert await rows(process, "SELECT * FROM smtp_outage") == []

    async def test_for_five_days_has_failed(self, process: Process, ivy: Person) -> None:
        owed = await owe(process, ivy)
        async with smtp_server_that(RCPT="450 later") as server:
            for age, status in ((0, "WAITING"), (4, "WAITING"), (2, "FAILED")):
                await rows(
                    process, f"UPDATE mail SET put_off_since = put_off_since - interval '{age} days' RETURNING 1"
                )
                await owed.make_due()
                await owed.send(mailer_to(server.port))
                assert await owed.status() == status
        assert await owed.get("failure", "ended_at IS NOT NULL") == ("450 at RCPT", True)

    @pytest.mark.parametrize("stage", ["RCPT", "DATA", "end"])
    async def test_ever_has_failed(
        self, process: Process, ivy: Person, stage: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        owed = await owe(process, ivy)
        with caplog.at_level(logging.DEBUG):
            async with smtp_server_that(**{stage: "550 no ivy@client.test here"}) as server:
                await owed.send(mailer_to(server.port))
                await owed.make_due()
                assert await owed.send(mailer_to(server.port)) is False
        at = "the end of DATA" if stage == "end" else stage
        assert await owed.get("status", "failure", "ended_at IS NOT NULL") == ("FAILED", f"550 at {at}", True)
        said = "\n".join(record.getMessage() for record in caplog.records if record.name.startswith("parley"))
        assert str(owed.id) in said
        assert not [secret for secret in ("ivy@", owed.token, "invites", "Northwind") if secret in said]

    async def test_because_of_its_sender_waits_for_who_mends_the_settings(self, process: Process, ivy: Person) -> None:
        owed = await owe(process, ivy)
        async with smtp_server_that(MAIL="550 not you") as server:
            await owed.send(mailer_to(server.port))
        assert await owed.get("status", "failure") == ("WAITING", "550 at MAIL")

    async def test_since_the_connection_broke_before_its_end_is_put_off(self, process: Process, ivy: Person) -> None:
        for stage in ("MAIL", "RCPT", "DATA"):
            owed = await owe(process, ivy)
            async with smtp_server_that(**{stage: gone}) as server:
                await owed.send(mailer_to(server.port))
            assert await owed.get("status", "failure", "unknown_attempts") == (
                "WAITING",
                f"SMTPServerDisconnected at {stage}",
                0,
            )

    @pytest.mark.parametrize("place", ["javascript:{token}", "https://portal.test/", "https://a b/{token}", "{token}"])
    async def test_since_it_can_not_be_written_waits_for_who_mends_it(
        self, process: Process, mailer: Smtp, mailbox: Mailbox, ivy: Person, place: str
    ) -> None:
        owed = await owe(process, ivy)
        await rows(process, "UPDATE workspace SET invitation_url = %s RETURNING 1", place)
        assert await owed.send(mailer) is False
        assert await owed.get("status", "failure") == ("WAITING", "could not be written (NoPlaceToLead)")
        await rows(process, "UPDATE workspace SET invitation_url = 'https://portal.test/?in={token}&x=1' RETURNING 1")
        await owed.make_due()
        await owed.send(mailer)
        (mail,) = mailbox.newest_first()
        assert f"https://portal.test/?in={owed.token}&x=1" in str(mail.view()["text"])
        assert f'href="https://portal.test/?in={owed.token}&amp;x=1"' in str(mail.view()["html"])


class TestAnAttemptThatNobodyKnowsTheEndOf:
    @pytest.mark.parametrize("end", [silence, gone])
    async def test_is_repeated_with_the_same_message_id_after_its_lease(
        self, process: Process, mailer: Smtp, mailbox: Mailbox, ivy: Person, end: Any
    ) -> None:
        owed = await owe(process, ivy)
        async with smtp_server_that(end=end) as server:
            await owed.send(mailer_to(server.port, seconds=1))
            (first,) = server.mails
        assert await owed.get("status", "attempt_ends_by IS NOT NULL") == ("WAITING", True)
        await server_is_back(process)
        assert await owed.send(mailer) is False
        assert await outbox.sweep_due(process) == 0
        await owed.make_due()
        await owed.send(mailer)
        (second,) = mailbox.newest_first()
        assert dict(second.view()["headers"])["Message-ID"] == first["Message-ID"]  # type: ignore[call-overload]
        assert await owed.get("status", "unknown_attempts") == ("SENT", 1)

    async def test_has_failed_after_five_and_more_than_an_hour(self, process: Process, ivy: Person) -> None:
        owed = await owe(process, ivy)
        leases = []
        async with smtp_server_that(end=gone) as server:
            while await owed.send(mailer_to(server.port, seconds=60)) and len(leases) < 10:
                leases.append(float(await owed.get("extract(epoch FROM due_at - clock_timestamp())")))
                assert 0 < float(await owed.get("extract(epoch FROM attempt_ends_by - clock_timestamp())")) <= 60
                await owed.make_due()
            assert len(server.taken) == 5
            assert len({mail["Message-ID"] for mail in server.mails}) == 1
        # An attempt ends well within its lease.
        assert leases[0] > 2 * 60
        assert sum(leases) > 3600
        assert await owed.get("status", "unknown_attempts") == ("FAILED", 5)
        assert await owed.get("failure") == "nobody knows whether it arrived"

    async def test_is_counted_though_the_mail_can_not_be_written_afterwards(
        self, process: Process, mailer: Smtp, ivy: Person
    ) -> None:
        owed = await owe(process, ivy)
        async with smtp_server_that(end=gone) as server:
            for unknown in (1, 2):
                await owed.send(mailer_to(server.port))
                await owed.make_due()
                await rows(process, "UPDATE workspace SET invitation_url = 'x' RETURNING 1")
                assert await owed.send(mailer) is False
                assert await owed.get("status", "unknown_attempts") == ("WAITING", unknown)
                await rows(process, "UPDATE workspace SET invitation_url = NULL RETURNING 1")
                await owed.make_due()

    async def test_is_none_when_the_database_only_restarts_meanwhile(self, process: Process, ivy: Person) -> None:
        owed = await owe(process, ivy)

        async def restart() -> str:
            await rows(
                process,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                "WHERE datname = current_database() AND pid <> pg_backend_pid()",
            )
            return "250 good"

        async with smtp_server_that(end=restart) as server:
            async with process.pool.connection(), process.pool.connection():
                pass  # one or the other is what the end would be recorded with
            await owed.send(mailer_to(server.port))
            assert len(server.taken) == 1
        assert await owed.get("status", "attempts") == ("SENT", 1)

    async def test_that_the_server_took_too_late_is_one(self, process: Process, ivy: Person) -> None:
        go = asyncio.Event()

        async def wait() -> str:
            await go.wait()
            return "250 good"

        owed = await owe(process, ivy)
        async with smtp_server_that(end=wait) as server:
            await owed.send(mailer_to(server.port, seconds=1))
            go.set()
            assert await owed.get("status", "attempt_ends_by IS NOT NULL") == ("WAITING", True)

    async def test_is_one_though_its_worker_died_before_it_spoke(
        self, process: Process, mailer: Smtp, mailbox: Mailbox, ivy: Person
    ) -> None:
        owed = await owe(process, ivy)
        await operate(process, ivy.workspace_id, lambda transaction: outbox._begin(transaction, mailer, owed.id))
        assert await owed.send(mailer) is False
        await owed.make_due()
        await owed.send(mailer)
        assert len(mailbox.newest_first()) == 1
        assert await owed.get("status", "unknown_attempts", "attempts") == ("SENT", 1, 2)
