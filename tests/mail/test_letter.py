"""What mails say, and that nothing that somebody is called becomes a header, a command or HTML."""

import re
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.header import decode_header, make_header
from email.message import EmailMessage
from email.utils import getaddresses
from html.parser import HTMLParser

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from models.mail import MailKind
from resolvers.letter.message import Unmailable, Written, compose, shown
from resolvers.letter.writing import Link, NoPlaceToLead, url_of, write
from resolvers.mailer import Letter, Sender
from resolvers.text import BIDI_CONTROLS
from tests.mail.hostile import HOSTILE_ADDRESSES, HOSTILE_NAMES

NOW = datetime(2026, 11, 25, 16, 18, tzinfo=UTC)
SENDER = Sender("Parley", "no-reply@parley.test")
HEADERS = ["From", "To", "Subject", "Date", "Message-ID", "Auto-Submitted", "MIME-Version", "Content-Type"]
URL = "https://portal.test/invitation#token=abc"


def link(kind: MailKind = MailKind.INVITATION, **other: object) -> Link:
    values = {"name": "Ivy", "firm": "Northwind Studio", "inviter": "Ada", "url": URL, "until": NOW, "time_zone": None}
    return Link(kind=kind, **{**values, **other})  # type: ignore[arg-type]


def letter(written: Written, name: str = "Ivy", address: str = "ivy@client.test", sender: Sender = SENDER) -> Letter:
    return compose(written, sender, name, address, "<1@parley.test>", NOW)


def read(raw: bytes) -> EmailMessage:
    return message_from_bytes(raw, _class=EmailMessage, policy=policy.default)


def raw_headers(raw: bytes) -> list[str]:
    """The names of the headers as a reader without mercy sees them."""
    head = raw.split(b"\r\n\r\n")[0]
    assert b"\r" not in head.replace(b"\r\n", b"")
    assert b"\n" not in head.replace(b"\r\n", b"")
    return [line.split(b":")[0].decode() for line in head.split(b"\r\n") if line[:1] not in (b" ", b"\t")]


class TestTexts:
    def test_of_an_invitation(self) -> None:
        written = write(link())
        assert written.subject == "Ada invites you to Northwind Studio"
        assert written.text == (
            "Hello Ivy,\n\n"
            "Ada has made an account for you at Northwind Studio, where you read and write messages. "
            "Choose a password, and you are in.\n\n"
            "Accept the invitation:\nhttps://portal.test/invitation#token=abc\n\n"
            "The link works once, until 25 November 2026, 16:18 UTC.\n\n"
            "If you did not expect an invitation, you need not do anything.\n"
        )

    def test_of_an_invitation_that_nobody_by_name_has_sent(self) -> None:
        written = write(link(inviter=""))
        assert written.subject == "You are invited to Northwind Studio"
        assert "There is an account for you at Northwind Studio" in written.text

    def test_of_a_link_to_sign_in(self) -> None:
        written = write(link(MailKind.SIGN_IN))
        assert written.subject == "Your link to sign in at Northwind Studio"
        assert written.text == (
            "Hello Ivy,\n\n"
            "With this link you sign in at Northwind Studio.\n\n"
            "Sign in:\nhttps://portal.test/invitation#token=abc\n\n"
            "It works once, until 25 November 2026, 16:18 UTC. Pass it on to nobody.\n\n"
            "If you did not ask for it, somebody has typed your address, perhaps by mistake. "
            "You need not do anything.\n"
        )

    def test_of_a_link_to_set_a_password(self) -> None:
        written = write(link(MailKind.RESET))
        assert written.subject == "A new password for Northwind Studio"
        assert written.text == (
            "Hello Ivy,\n\n"
            "With this link you set a new password for your account at Northwind Studio.\n\n"
            "Set a new password:\nhttps://portal.test/invitation#token=abc\n\n"
            "It works once, until 25 November 2026, 16:18 UTC. Pass it on to nobody.\n\n"
            "If you did not ask for it, you need not do anything: your password stays as it is.\n"
        )

    def test_tell_the_time_where_the_recipient_is(self) -> None:
        assert "25 November 2026, 17:18 CET" in write(link(time_zone="Europe/Berlin")).text
        assert "16:18 UTC" in write(link(time_zone="../../etc/passwd")).text
        assert "16:18 UTC" in write(link(time_zone="Nowhere/Else")).text

    @pytest.mark.parametrize("kind", MailKind)
    def test_are_the_same_in_html_with_inline_styles_and_nothing_from_elsewhere(self, kind: MailKind) -> None:
        written = write(link(kind))
        seen = Seen(written.html)
        for line in written.text.split("\n"):
            assert line.rstrip(":") in seen.text
        assert seen.links == [URL]
        assert not seen.tags & {"img", "script", "style", "link", "iframe", "form", "object", "svg", "video"}
        assert "url(" not in written.html
        assert "@import" not in written.html


class TestALink:
    @pytest.mark.parametrize(
        ("kind", "page"),
        [(MailKind.INVITATION, "invitation"), (MailKind.SIGN_IN, "sign-in"), (MailKind.RESET, "reset")],
    )
    def test_leads_to_the_built_in_page_with_the_token_in_the_fragment(self, kind: MailKind, page: str) -> None:
        assert url_of(kind, None, "https://chat.test", "abc") == f"https://chat.test/{page}#token=abc"

    def test_leads_to_the_firms_own_portal(self) -> None:
        assert (
            url_of(MailKind.RESET, "https://portal.test/in?t={token}&x=1", "", "abc")
            == "https://portal.test/in?t=abc&x=1"
        )

    @pytest.mark.parametrize(
        "template",
        [
            "",
            "{token}",
            "https://portal.test/",
            "javascript:alert({token})",
            "data:text/html,{token}",
            "//portal.test/{token}",
            "https:///{token}",
            "https://portal.test/ {token}",
            "https://portal.test/\r\n{token}",
            "ftp://portal.test/{token}",
        ],
    )
    def test_leads_nowhere_else(self, template: str) -> None:
        with pytest.raises(NoPlaceToLead):
            url_of(MailKind.INVITATION, template, "https://chat.test", "abc")

    def test_is_escaped_in_html(self) -> None:
        url = 'https://portal.test/"onmouseover="alert(1)?t=<b>&abc'
        seen = Seen(write(link(url=url)).html)
        assert seen.links == [url]
        assert not {"b"} & seen.tags
        assert not {"onmouseover"} & seen.attributes


class TestNames:
    @pytest.mark.parametrize("name", HOSTILE_NAMES, ids=ascii)
    def test_of_any_kind_stay_names(self, name: str) -> None:
        written = write(link(name=name, firm=name, inviter=name))
        made = letter(written, name, sender=Sender(name, SENDER.address) if shown(name) == name else SENDER)
        assert raw_headers(made.raw) == HEADERS
        assert made.recipient == "ivy@client.test"
        to = message_from_bytes(made.raw)["To"]
        ((phrase, address),) = getaddresses([to])
        assert address == "ivy@client.test"
        assert str(make_header(decode_header(phrase))) == shown(name)
        assert not set(written.subject) & set("\r\n" + BIDI_CONTROLS)
        seen = Seen(written.html)
        assert seen.links == [URL]
        assert not seen.tags & {"script", "img", "b", "style", "iframe"}
        assert shown(name) in seen.text

    @given(st.text(st.characters(codec="utf-8")))
    @example("=?utf-8?q?a=0d=0aBcc:_x@evil.test?=")
    @example("a" * 500)
    @example("ü" * 500)
    @example("\N{PILE OF POO}" * 200)
    def test_whatever_they_are_make_a_whole_mail(self, name: str) -> None:
        made = letter(write(link(name=name, firm=name, inviter=name)), name)
        assert raw_headers(made.raw) == HEADERS
        assert made.raw.isascii()
        assert all(len(line) <= 998 for line in made.raw.split(b"\r\n"))
        mail = read(made.raw)
        assert mail["Message-ID"] == "<1@parley.test>"
        assert mail["Auto-Submitted"] == "auto-generated"
        assert mail.get_content_type() == "multipart/alternative"
        assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]

    @pytest.mark.parametrize(
        ("name", "header"),
        [
            ("Ivy", "Ivy <ivy@client.test>"),
            ("Ivy Lane 2", "Ivy Lane 2 <ivy@client.test>"),
            ("Lane, Ivy", "=?utf-8?q?Lane=2C_Ivy?=\r\n <ivy@client.test>"),
            ("", "ivy@client.test"),
        ],
    )
    def test_stand_in_the_header_as_words_or_encoded(self, name: str, header: str) -> None:
        assert f"\r\nTo: {header}\r\n".encode() in letter(write(link()), name).raw

    def test_show_in_the_order_that_they_are_written_in_and_not_without_end(self) -> None:
        assert shown("a\u202eb\u2066c\r\nd\u2028 e\u00a0 \tf") == "abc d e f"
        assert len(shown("x" * 5000)) == 200
        assert shown("עדה") == "עדה"


class TestAddresses:
    @pytest.mark.parametrize("address", HOSTILE_ADDRESSES, ids=lambda each: ascii(each[:30]))
    def test_that_are_none_get_no_mail(self, address: str) -> None:
        with pytest.raises(Unmailable):
            letter(write(link()), address=address)

    def test_have_their_domain_in_ascii(self) -> None:
        made = letter(write(link()), address="Ivy@Bücher.test")
        assert (made.recipient, made.needs_utf8) == ("Ivy@xn--bcher-kva.test", False)
        assert b"\r\nTo: Ivy <Ivy@xn--bcher-kva.test>\r\n" in made.raw
        assert made.raw.isascii()

    def test_in_other_letters_need_a_server_that_takes_them(self) -> None:
        made = letter(write(link()), address="jörg@bücher.test")
        assert (made.recipient, made.needs_utf8) == ("jörg@xn--bcher-kva.test", True)
        assert "To: Ivy <jörg@xn--bcher-kva.test>".encode() in made.raw


class Seen(HTMLParser):
    """What a browser makes of HTML: tags, links, and text with its spaces joined."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.links: list[str | None] = []
        self.text = ""
        self.feed(html)
        self.text = re.sub(r"[ \n]+", " ", self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}
        self.links += [value for name, value in attrs if name in ("href", "src", "action")]

    def handle_data(self, data: str) -> None:
        self.text += data
