"""The real catcher, and a mailer that speaks to it."""

from collections.abc import AsyncIterator

import pytest

from server.mail_catcher.mailbox import Mailbox
from server.mail_catcher.serve import smtp_server
from server.smtp import Smtp
from tests.mail.owed import mailer_to


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
async def mailer(mailbox: Mailbox) -> AsyncIterator[Smtp]:
    async with smtp_server(mailbox, 0) as port:
        yield mailer_to(port)
