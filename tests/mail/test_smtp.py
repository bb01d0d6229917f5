"""Speaking to SMTP servers: TLS, sign-in, and the deadline."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from aiosmtpd.smtp import SMTP, AuthResult, LoginPassword
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from resolvers.mailer import Delivery, Letter, Outcome, Sender, elapsed
from server import smtp as module
from server.mail_catcher.mailbox import Mailbox
from server.mail_catcher.serve import Catcher
from server.settings import Settings
from server.smtp import Smtp, make_mailer
from server.smtp_address import SmtpAddress, StartTls, mail_sender, smtp_address
from tests.mail.owed import SENDER, mailer_to
from tests.mail.smtp_server import silence, smtp_server_that

RAW = b"Subject: Hello\r\n\r\n.\r\n..\r\nHello\r\n.end\r\n"
LETTER = Letter("ivy@client.test", RAW, needs_utf8=False)


async def deliver(mailer: Smtp, letter: Letter = LETTER, seconds: float = 20) -> Delivery:
    return await mailer.deliver(letter, elapsed() + seconds)


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of `localhost`, by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    path = tmp_path_factory.mktemp("tls") / "localhost.pem"
    path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@contextlib.asynccontextmanager
async def strict_server(mailbox: Mailbox, certificate: Path, implicit: bool = False) -> AsyncIterator[int]:
    """It takes mails only over TLS and from who signs in."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(certificate)

    def check(*given: Any) -> AuthResult:
        asked = given[-1]
        assert isinstance(asked, LoginPassword)
        # Not "handled": it says no by itself.
        return AuthResult(success=(asked.login, asked.password) == (b"us@er", b"pa:ss/word"), handled=False)

    loop = asyncio.get_running_loop()
    server = await loop.create_server(
        lambda: SMTP(
            Catcher(mailbox),
            hostname="localhost",
            tls_context=None if implicit else context,
            require_starttls=not implicit,
            auth_required=True,
            auth_require_tls=not implicit,
            authenticator=check,
            loop=loop,
        ),
        "127.0.0.1",
        0,
        ssl=context if implicit else None,
    )
    async with server:
        yield server.sockets[0].getsockname()[1]


def trusting(url: str, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> Smtp:
    monkeypatch.setenv("SSL_CERT_FILE", str(certificate))
    return Smtp(smtp_address(url), SENDER, "parley.test", 20)


# aiosmtpd's own: it warns of what it does itself, and leaves a socket open where a handshake fails.
@pytest.mark.filterwarnings("ignore:Session.login_data", "ignore:Requiring AUTH while not requiring TLS")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
class TestTls:
    async def test_comes_before_the_sign_in(self, certificate: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        mailbox = Mailbox()
        async with strict_server(mailbox, certificate) as port:
            mailer = trusting(f"smtp://us%40er:pa%3Ass%2Fword@localhost:{port}", certificate, monkeypatch)
            assert await deliver(mailer) == Delivery(Outcome.SENT)
        assert len(mailbox.newest_first()) == 1

    async def test_is_there_from_the_first_byte_with_smtps(
        self, certificate: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        mailbox = Mailbox()
        async with strict_server(mailbox, certificate, implicit=True) as port:
            mailer = trusting(f"smtps://us%40er:pa%3Ass%2Fword@localhost:{port}", certificate, monkeypatch)
            assert await deliver(mailer) == Delivery(Outcome.SENT)
        assert len(mailbox.newest_first()) == 1

    async def test_with_a_certificate_that_nobody_vouches_for_is_no_server(self, certificate: Path) -> None:
        mailbox = Mailbox()
        for scheme in ("smtp", "smtps"):
            async with strict_server(mailbox, certificate, implicit=scheme == "smtps") as port:
                delivery = await deliver(Smtp(smtp_address(f"{scheme}://a:b@localhost:{port}"), SENDER, "x", 20))
                assert delivery.outcome is Outcome.AWAY
        assert mailbox.newest_first() == []

    async def test_that_is_required_and_not_offered_sends_nothing(self) -> None:
        async with smtp_server_that() as server:
            mailer = Smtp(smtp_address(f"smtp://127.0.0.1:{server.port}?starttls=required"), SENDER, "x", 20)
            delivery = await deliver(mailer)
            assert delivery.outcome is Outcome.AWAY
            assert "STARTTLS" in str(delivery.failure)
            assert not server.count["MAIL"]

    async def test_and_a_wrong_password_is_nothing_about_the_mail(
        self, certificate: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with strict_server(Mailbox(), certificate) as port:
            delivery = await deliver(trusting(f"smtp://us%40er:wrong@localhost:{port}", certificate, monkeypatch))
            assert (delivery.outcome, delivery.failure) == (Outcome.AWAY, "535 at connecting")


class TestTheText:
    async def test_arrives_as_it_was_with_its_dots(self) -> None:
        async with smtp_server_that() as server:
            assert await deliver(mailer_to(server.port)) == Delivery(Outcome.SENT)
            assert server.taken == [RAW]

    async def test_arrives_when_it_is_larger_than_what_the_system_holds(self) -> None:
        raw = RAW * 300_000
        async with smtp_server_that() as server:
            assert await deliver(mailer_to(server.port), LETTER._replace(raw=raw)) == Delivery(Outcome.SENT)
            assert server.taken == [raw]

    async def test_is_announced_with_its_size(self) -> None:
        async with smtp_server_that(EHLO="250-mail.test\r\n250 SIZE 1000", MAIL="552 too large") as server:
            assert await deliver(mailer_to(server.port)) == Delivery(Outcome.REFUSED, "552 at MAIL")


class TestTheDeadline:
    async def test_that_is_past_sends_nothing(self) -> None:
        async with smtp_server_that() as server:
            delivery = await deliver(mailer_to(server.port), seconds=0)
            assert delivery.outcome is Outcome.PUT_OFF
            assert server.taken == []

    async def test_is_looked_at_before_the_last_dot(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """As if the process had been stopped just then: no timer has run, and the answer to DATA is there."""
        late = 0.0
        monkeypatch.setattr(module, "elapsed", lambda: elapsed() + late)

        async def stop() -> str:
            nonlocal late
            late = 100.0
            return "354 go on"

        async with smtp_server_that(DATA=stop) as server:
            delivery = await deliver(mailer_to(server.port), seconds=50)
            assert delivery == Delivery(Outcome.PUT_OFF, "too late at DATA")
            await server.reached["broken off"].wait()
            assert server.taken == []

    @pytest.mark.parametrize("stage", ["greeting", "EHLO", "MAIL", "RCPT", "DATA", "end"])
    async def test_cuts_the_whole_of_it(self, stage: str) -> None:
        async with smtp_server_that(**{stage: silence}) as server:
            delivery = await deliver(mailer_to(server.port), seconds=0.3)
        early = stage in ("greeting", "EHLO")
        assert delivery.outcome is (Outcome.AWAY if early else Outcome.UNKNOWN if stage == "end" else Outcome.PUT_OFF)
        assert str(delivery.failure).startswith("silence at")

    async def test_is_one_for_all_of_it_however_slowly_it_goes_on(self) -> None:
        async def slowly() -> str:
            await asyncio.sleep(0.3)
            return "250 good"

        async with smtp_server_that(EHLO=slowly, MAIL=slowly, RCPT=slowly, DATA=slowly) as server:
            delivery = await deliver(mailer_to(server.port), seconds=0.7)
            assert delivery.outcome is Outcome.PUT_OFF
            assert server.taken == []


class TestTheSettings:
    @pytest.mark.parametrize(
        ("url", "address"),
        [
            ("smtp://mail.test", SmtpAddress("mail.test", 25, None, "", False, StartTls.OFFERED)),
            ("smtp://a:b@mail.test:587", SmtpAddress("mail.test", 587, "a", "b", False, StartTls.REQUIRED)),
            ("smtp://a:b@localhost", SmtpAddress("localhost", 25, "a", "b", False, StartTls.OFFERED)),
            ("smtp://a@mail.test?starttls=never", SmtpAddress("mail.test", 25, "a", "", False, StartTls.NEVER)),
            ("smtp://[::1]:2525/", SmtpAddress("::1", 2525, None, "", False, StartTls.OFFERED)),
            (
                "smtps://u%40x.test:p%3A%2F%3F@mail.test",
                SmtpAddress("mail.test", 465, "u@x.test", "p:/?", True, StartTls.REQUIRED),
            ),
        ],
    )
    def test_say_where_the_server_is(self, url: str, address: SmtpAddress) -> None:
        assert smtp_address(url) == address

    @pytest.mark.parametrize(
        "url",
        [
            "smtp://",
            "http://mail.test",
            "smtp://mail.test:99999",
            "smtp://mail.test:x",
            "smtp://mail.test/path",
            "smtp://mail.test?tls=no",
            "smtp://mail.test?starttls=maybe",
            "smtp://mail.test?starttls=never&starttls=required",
            "smtps://mail.test?starttls=never",
            "smtp://a%0d%0aRCPT:secret@mail.test",
        ],
    )
    def test_are_refused_without_a_word_of_the_secret(self, url: str) -> None:
        with pytest.raises(ValueError, match=r"must be|knows no|has ") as refused:
            smtp_address(url)
        assert "secret" not in str(refused.value)
        with pytest.raises(ValueError, match="smtp_url"):
            Settings(smtp_url=url)

    def test_say_whom_mails_are_from(self) -> None:
        assert mail_sender(
            "Northwind, Inc. <mail@bücher.test>".replace("Northwind, Inc.", '"Northwind, Inc."')
        ) == Sender("Northwind, Inc.", "mail@xn--bcher-kva.test")
        assert mail_sender("mail@firm.test") == Sender("", "mail@firm.test")
        for wrong in (
            "Parley",
            "a@b, c@d",
            "Parley <jörg@firm.test>",
            "Par\nley <a@b.test>",
            "P\u202ex <a@b.test>",
            "@localhost",
        ):
            with pytest.raises(ValueError, match="must be like"):
                mail_sender(wrong)

    def test_by_default_name_the_host_of_the_public_url(self) -> None:
        for public_url, address in (
            ("https://chat.firm.test", "no-reply@chat.firm.test"),
            ("", "no-reply@localhost"),
            ("http://127.0.0.1:8000", "no-reply@localhost"),
        ):
            settings = Settings(public_url=public_url)
            assert settings.mail_sender == Sender("Parley", address)
            assert make_mailer(settings).seconds == 60
