"""The same through the real SMTP server: each mail goes to one address, with the headers that Parley wrote."""

import pytest

from resolvers.process import Process
from server.mail_catcher.mailbox import Mailbox
from server.smtp import Smtp
from tests.cast import Person
from tests.mail.hostile import HOSTILE_ADDRESSES, HOSTILE_NAMES
from tests.mail.owed import mailer_to, owe
from tests.mail.smtp_server import smtp_server_that
from tests.mail.test_letter import HEADERS, raw_headers
from tests.races import rows


async def rename(process: Process, person: Person, **columns: str) -> None:
    for column, value in columns.items():
        await rows(process, f'UPDATE "user" SET {column} = %s WHERE id = %s RETURNING 1', value, person.user_id)


async def test_names_of_any_kind_write_no_header_and_reach_nobody_else(
    process: Process, mailer: Smtp, mailbox: Mailbox, ivy: Person, ada: Person
) -> None:
    names = [name for name in HOSTILE_NAMES if "\0" not in name]
    for name in names:
        await rename(process, ivy, name=name)
        await rename(process, ada, name=name)
        await rows(process, "UPDATE workspace SET name = %s RETURNING 1", name)
        owed = await owe(process, ivy, created_by=ada.user_id)
        await owed.send(mailer)
        mail = mailbox.newest_first()[0]
        assert await owed.status() == "SENT", ascii(name)
        assert mail.recipients == ("ivy@client.test",)
        assert mail.sender == "no-reply@parley.test"
        assert raw_headers(mail.raw)[: len(HEADERS)] == HEADERS, ascii(name)
        assert owed.token in str(mail.view()["text"])
    assert len(mailbox.newest_first()) == len(names)


async def test_addresses_that_are_none_become_no_command(process: Process, ivy: Person) -> None:
    async with smtp_server_that() as server:
        for address in [each for each in HOSTILE_ADDRESSES if "\0" not in each]:
            await rename(process, ivy, email=address)
            owed = await owe(process, ivy)
            await owed.send(mailer_to(server.port))
            assert await owed.get("status", "failure") == ("FAILED", "no address that mail can go to"), ascii(address)
        assert not server.count


async def test_a_line_of_a_dot_in_a_name_ends_no_mail(
    process: Process, mailer: Smtp, mailbox: Mailbox, ivy: Person
) -> None:
    await rename(process, ivy, name=".\r\n.\r\nQUIT")
    await (await owe(process, ivy)).send(mailer)
    (mail,) = mailbox.newest_first()
    assert mail.raw.rstrip().endswith(b"--")


@pytest.mark.parametrize("offered", [True, False])
async def test_an_address_in_other_letters_needs_a_server_that_takes_them(
    process: Process, ivy: Person, offered: bool
) -> None:
    await rename(process, ivy, email="jörg@bücher.test")
    owed = await owe(process, ivy)
    async with smtp_server_that(
        EHLO="250-mail.test\r\n250-8BITMIME\r\n250 " + ("SMTPUTF8" if offered else "HELP")
    ) as server:
        await owed.send(mailer_to(server.port))
    if offered:
        ((sender, recipient),) = server.envelopes
        assert sender == b"MAIL FROM:<no-reply@parley.test> SMTPUTF8 BODY=8BITMIME"
        assert recipient == "RCPT TO:<jörg@xn--bcher-kva.test>".encode()
        assert await owed.status() == "SENT"
    else:
        assert server.taken == []
        assert await owed.get("status", "failure") == (
            "FAILED",
            "the server takes no address in other letters (SMTPUTF8)",
        )
