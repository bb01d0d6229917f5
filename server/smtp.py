"""Handing a mail to an SMTP server (RFC 5321), with one deadline for the whole of it.

What is not taken is said so as soon as it is known. Only after the last dot has left, and before the answer to it, does
nobody know: so that dot does not leave once the deadline is past, for instance in a process that was stopped.
"""

import asyncio
import re
import ssl
from typing import cast
from urllib.parse import urlsplit

import aiosmtplib
from aiosmtplib import SMTPResponse

from resolvers.mailer import Delivery, Letter, Outcome, Sender, elapsed
from server.settings import Settings
from server.smtp_address import SmtpAddress, StartTls, smtp_address

_START_TLS = {StartTls.REQUIRED: True, StartTls.OFFERED: None, StartTls.NEVER: False}
_READY_FOR_DATA = 354
_CLOSING = 421
_TOO_LARGE = 552


class Smtp:
    """The SMTP server of the settings: a connection for each mail."""

    def __init__(self, address: SmtpAddress, sender: Sender, own_name: str, seconds: int) -> None:
        self._address = address
        self._own_name = own_name
        self._tls = ssl.create_default_context()
        self.sender = sender
        self.seconds = seconds

    async def deliver(self, letter: Letter, deadline: float) -> Delivery:
        dialogue = _Dialogue(self._client(), self.sender, letter, deadline)
        try:
            async with asyncio.timeout(max(0.0, deadline - elapsed())):
                return await dialogue.run()
        except TimeoutError:
            return dialogue.broken("silence at")
        except aiosmtplib.SMTPResponseException as error:
            return dialogue.broken(f"{error.code} at" if error.code > 0 else "no SMTP at")
        except (aiosmtplib.SMTPException, OSError, ValueError) as error:
            # Of these only the plainest have a text of the library's own, such as that there is no STARTTLS.
            said = str(error) if type(error) is aiosmtplib.SMTPException else type(error).__name__
            return dialogue.broken(f"{said} at")
        finally:
            dialogue.close()

    def _client(self) -> aiosmtplib.SMTP:
        at = self._address
        return aiosmtplib.SMTP(
            hostname=at.host,
            port=at.port,
            username=at.user,
            password=at.password if at.user else None,
            use_tls=at.tls,
            start_tls=None if at.tls else _START_TLS[at.start_tls],
            tls_context=self._tls,
            local_hostname=self._own_name,
            timeout=None,
        )


class _Dialogue:
    def __init__(self, client: aiosmtplib.SMTP, sender: Sender, letter: Letter, deadline: float) -> None:
        self._client = client
        self._sender = sender
        self._letter = letter
        self._deadline = deadline
        # Where it is: what breaks off there means something else each time.
        self._at = "connecting"
        self._connected = False
        self._in_data = False
        self._dot_has_left = False

    async def run(self) -> Delivery:
        if self._is_late():
            return self._late()
        await self._connect()
        return await self._envelope() or await self._data()

    def broken(self, what: str) -> Delivery:
        """The dialogue ended without an answer."""
        failure = f"{what} {self._at}"
        if not self._connected:
            return Delivery(Outcome.AWAY, failure)
        outcome = Outcome.UNKNOWN if self._dot_has_left else Outcome.PUT_OFF
        return Delivery(outcome, failure, silent=what.startswith("silence"))

    def close(self) -> None:
        """Without waiting for a good-bye: what counts is known, and is to be recorded."""
        transport, protocol = self._client.transport, self._client.protocol
        if self._in_data and transport is not None:
            # Without its dot the server has no mail.
            cast(asyncio.WriteTransport, transport).abort()
        elif self._connected and protocol is not None and protocol.is_connected:
            protocol.write(b"QUIT\r\n")
        self._client.close()

    async def _connect(self) -> None:
        """Greeting, TLS and sign-in. What goes wrong here is about the server and us, and not about a mail."""
        await self._client.connect()
        if self._client.is_ehlo_or_helo_needed:
            try:
                await self._client.ehlo()
            except aiosmtplib.SMTPHeloError:
                await self._client.helo()
        self._connected = True

    async def _envelope(self) -> Delivery | None:
        options = []
        if self._letter.needs_utf8:
            if not self._client.supports_extension("smtputf8"):
                return Delivery(Outcome.REFUSED, "the server takes no address in other letters (SMTPUTF8)")
            options += [b"SMTPUTF8"] + ([b"BODY=8BITMIME"] if self._client.supports_extension("8bitmime") else [])
        if self._client.supports_extension("size"):
            options.append(b"SIZE=%d" % len(self._letter.raw))
        answer = await self._say("MAIL", b"FROM:<%s>" % self._sender.address.encode(), *options)
        if answer.code == _CLOSING:
            return Delivery(Outcome.AWAY, "421 at MAIL")
        if answer.code >= 500 and answer.code != _TOO_LARGE:
            # It refuses us as a sender: to be mended in the settings, and no reason to lose a mail.
            return Delivery(Outcome.PUT_OFF, f"{answer.code} at MAIL")
        if failure := self._failure(answer):
            return failure
        return self._failure(await self._say("RCPT", b"TO:<%s>" % self._letter.recipient.encode()))

    async def _data(self) -> Delivery:
        answer = await self._say("DATA")
        if answer.code != _READY_FOR_DATA:
            return self._failure(answer) or Delivery(Outcome.PUT_OFF, f"{answer.code} at DATA")
        protocol = self._client.protocol
        transport = cast(asyncio.WriteTransport, self._client.transport)
        if protocol is None:
            return self.broken("no connection at")
        self._in_data = True
        protocol.write(re.sub(rb"(?m)^\.", b"..", self._letter.raw))
        while transport.get_write_buffer_size():  # noqa: ASYNC110  nobody is told of its end
            await asyncio.sleep(0.001)
        if self._is_late():
            return self._late()
        self._at, self._in_data, self._dot_has_left = "the end of DATA", False, True
        protocol.write(b".\r\n")
        answer = await protocol.read_response()
        if answer.code < 200 or 300 <= answer.code < 400:
            return Delivery(Outcome.UNKNOWN, f"{answer.code} at {self._at}")
        return self._failure(answer) or Delivery(Outcome.SENT)

    async def _say(self, command: str, *arguments: bytes) -> SMTPResponse:
        self._at = command
        return await self._client.execute_command(command.encode(), *arguments)

    def _failure(self, answer: SMTPResponse) -> Delivery | None:
        """None where the answer is yes."""
        if 200 <= answer.code < 300:
            return None
        outcome = Outcome.REFUSED if 500 <= answer.code < 600 else Outcome.PUT_OFF
        return Delivery(outcome, f"{answer.code} at {self._at}")

    def _is_late(self) -> bool:
        return elapsed() >= self._deadline

    def _late(self) -> Delivery:
        return Delivery(Outcome.PUT_OFF, f"too late at {self._at}", untried=not self._connected)


def make_mailer(settings: Settings) -> Smtp:
    """Connects to nothing yet."""
    host = urlsplit(settings.public_address).hostname or "localhost"
    own_name = host if re.fullmatch(r"[A-Za-z0-9.-]+", host) else "localhost"
    return Smtp(smtp_address(settings.smtp_address), settings.mail_sender, own_name, settings.smtp_seconds)
