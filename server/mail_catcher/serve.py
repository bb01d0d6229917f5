"""Runs the catcher's two servers in one process."""

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator

import uvicorn
from aiosmtpd.smtp import SMTP, Envelope, Session

from server.mail_catcher.mailbox import Mailbox
from server.mail_catcher.page import make_page

LOCAL = "127.0.0.1"
LARGEST_MAIL = 40 * 1024 * 1024  # bytes: 25 MB of attachments, as base64


class Catcher:
    """What aiosmtpd asks when a mail has come."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_DATA(self, _: SMTP, __: Session, envelope: Envelope) -> str:  # noqa: N802  aiosmtpd's name
        content = envelope.original_content or b""
        mail = self._mailbox.catch(envelope.mail_from or "", tuple(envelope.rcpt_tos), content)
        return f"250 caught as {mail.id}"


async def serve(smtp_port: int, page_port: int, images: str = "") -> None:
    """Until SIGINT or SIGTERM. `images` is the origin whose images a shown mail may load."""
    mailbox = Mailbox()
    async with smtp_server(mailbox, smtp_port):
        config = uvicorn.Config(
            make_page(mailbox, images),
            host=LOCAL,
            port=page_port,
            access_log=False,
            log_level="warning",
            ws="none",
            proxy_headers=False,
            server_header=False,
            timeout_graceful_shutdown=2,
        )
        await uvicorn.Server(config).serve()


@contextlib.asynccontextmanager
async def smtp_server(mailbox: Mailbox, port: int) -> AsyncIterator[int]:
    """Gives the port, chosen by the system where 0 was asked for."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(
            Catcher(mailbox),
            data_size_limit=LARGEST_MAIL,
            enable_SMTPUTF8=True,
            hostname="localhost",
            ident="Parley mail catcher",
            loop=loop,
        ),
        LOCAL,
        port,
        family=socket.AF_INET,
    )
    async with server:
        yield server.sockets[0].getsockname()[1]
