"""The mail catcher, over real SMTP and HTTP."""

import asyncio
import smtplib
from collections.abc import AsyncIterator
from email.message import EmailMessage
from email.policy import SMTPUTF8

import httpx
import pytest

from server.mail_catcher.mailbox import Mailbox
from server.mail_catcher.page import make_page
from server.mail_catcher.serve import smtp_server

HOST = "http://localhost:8025"


@pytest.fixture
def mailbox() -> Mailbox:
    return Mailbox()


@pytest.fixture
async def smtp_port(mailbox: Mailbox) -> AsyncIterator[int]:
    async with smtp_server(mailbox, 0) as port:
        yield port


@pytest.fixture
async def page(mailbox: Mailbox) -> AsyncIterator[httpx.AsyncClient]:
    transport = httpx.ASGITransport(make_page(mailbox, images="http://localhost:8000"))
    async with httpx.AsyncClient(transport=transport, base_url=HOST) as client:
        yield client


def digest(subject: str = "News from Überraschung") -> EmailMessage:
    mail = EmailMessage(policy=SMTPUTF8.clone(utf8=False))
    mail["From"] = "Northwind Studio <rooms@parley.test>"
    mail["To"] = "Cleo <cleo@client.test>"
    mail["Subject"] = subject
    mail["Message-ID"] = "<1@parley.test>"
    mail["X-Twice"] = "one"
    mail["X-Twice"] = "two"
    mail.set_content("Hello, see http://localhost:8000/rooms/1#new.\n")
    mail.add_alternative("<p onclick=alert(1)>Hello <script>alert(1)</script></p>", subtype="html")
    return mail


async def send(port: int, *mails: EmailMessage | bytes, recipients: tuple[str, ...] = ("cleo@client.test",)) -> None:
    def deliver() -> None:
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
            for mail in mails:
                raw = mail if isinstance(mail, bytes) else mail.as_bytes()
                client.sendmail("bounces@parley.test", recipients, raw)

    await asyncio.to_thread(deliver)


async def test_a_sent_mail_is_shown_as_json(smtp_port: int, page: httpx.AsyncClient) -> None:
    await send(smtp_port, digest())
    [mail] = (await page.get("/messages")).json()
    assert set(mail) == {"id", "from", "to", "subject", "headers", "text", "html"}
    assert mail["from"] == "Northwind Studio <rooms@parley.test>"
    assert mail["to"] == "cleo@client.test"
    assert mail["subject"] == "News from Überraschung"
    assert ["Message-ID", "<1@parley.test>"] in mail["headers"]
    assert [value for name, value in mail["headers"] if name == "X-Twice"] == ["one", "two"]
    assert mail["text"] == "Hello, see http://localhost:8000/rooms/1#new.\n"
    assert "<script>" in mail["html"]


async def test_the_newest_comes_first(smtp_port: int, page: httpx.AsyncClient) -> None:
    await send(smtp_port, *(digest(f"number {number}") for number in range(3)))
    mails = (await page.get("/messages")).json()
    assert [mail["subject"] for mail in mails] == ["number 2", "number 1", "number 0"]
    assert len({mail["id"] for mail in mails}) == 3


async def test_the_raw_mail_is_as_it_was_sent(smtp_port: int, page: httpx.AsyncClient) -> None:
    sent = digest().as_bytes()
    await send(smtp_port, sent)
    [mail] = (await page.get("/messages")).json()
    raw = await page.get(f"/messages/{mail['id']}.eml")
    assert raw.headers["content-type"] == "message/rfc822"
    assert raw.content.replace(b"\r\n", b"\n") == sent.replace(b"\r\n", b"\n")
    assert (await page.get("/messages/999.eml")).status_code == 404


async def test_it_can_be_emptied(smtp_port: int, page: httpx.AsyncClient) -> None:
    await send(smtp_port, digest())
    assert (await page.delete("/messages")).status_code == 204
    assert (await page.get("/messages")).json() == []
    await send(smtp_port, digest())
    answer = await page.post("/empty", headers={"Origin": HOST, "Sec-Fetch-Site": "same-origin"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/")
    assert (await page.get("/messages")).json() == []


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null"},
        {"Sec-Fetch-Site": "cross-site"},
        {"Sec-Fetch-Site": "same-site"},
    ],
)
async def test_other_sites_can_empty_nothing(smtp_port: int, page: httpx.AsyncClient, headers: dict[str, str]) -> None:
    await send(smtp_port, digest())
    assert (await page.delete("/messages", headers=headers)).status_code == 403
    assert (await page.post("/empty", headers=headers)).status_code == 403
    assert len((await page.get("/messages")).json()) == 1


@pytest.mark.parametrize("path", ["/", "/messages", "/style.css"])
async def test_a_rebound_name_reaches_nothing(page: httpx.AsyncClient, path: str) -> None:
    for host in ("evil.example", "localhost.evil.example:8025", "127.0.0.1.nip.io"):
        assert (await page.get(path, headers={"Host": host})).status_code == 400
    assert (await page.get(path, headers={"Host": "127.0.0.1:8025"})).status_code == 200


async def test_the_page_runs_nothing_of_what_a_mail_says(smtp_port: int, page: httpx.AsyncClient) -> None:
    mail = digest("<img src=x onerror=alert(1)>")
    mail.replace_header("From", '"<b>bold</b>" <rooms@parley.test>')
    await send(smtp_port, mail)
    [caught] = (await page.get("/messages")).json()
    for path in ("/", f"/mail/{caught['id']}"):
        shown = await page.get(path)
        assert "<img" not in shown.text
        assert "<b>" not in shown.text
        assert "<script" not in shown.text
        assert "default-src 'none'" in shown.headers["content-security-policy"]
        assert "script-src" not in shown.headers["content-security-policy"]
        assert shown.headers["x-content-type-options"] == "nosniff"
    assert '<iframe sandbox="allow-popups allow-popups-to-escape-sandbox"' in shown.text
    framed = await page.get(f"/mail/{caught['id']}/html")
    policy = framed.headers["content-security-policy"]
    assert policy.startswith("sandbox allow-popups allow-popups-to-escape-sandbox; default-src 'none'")
    assert "allow-scripts" not in policy
    assert "allow-same-origin" not in policy
    assert "img-src data: http://localhost:8000;" in policy


async def test_web_addresses_in_a_text_are_links(smtp_port: int, page: httpx.AsyncClient) -> None:
    mail = EmailMessage()
    mail.set_content('See <http://localhost:8000/rooms/1?a=1&b="2">, or https://a.example/x.\njavascript:alert(1)\n')
    await send(smtp_port, mail)
    [caught] = (await page.get("/messages")).json()
    shown = (await page.get(f"/mail/{caught['id']}")).text
    assert '<a href="http://localhost:8000/rooms/1?a=1&amp;b=' in shown
    assert '<a href="https://a.example/x" target="_blank" rel="noreferrer noopener">https://a.example/x</a>.' in shown
    assert 'href="javascript' not in shown


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"no headers at all",
        b"Subject: =?utf-8?b?\xff\xfe?=\r\nFrom: \xff<@@>,,;\r\nTo: \r\n\r\n\xff\xfe",
        b"Content-Type: text/plain; charset=nonsense\r\n\r\nhello",
        b"Content-Type: text/html\r\nContent-Transfer-Encoding: base64\r\n\r\n!!!",
        b"Content-Type: multipart/mixed\r\n\r\nno boundary",
        b"Content-Type: multipart/alternative; boundary=x\r\n\r\n--x\r\n\r\n--x",
        b"Message-ID: <\r\nDate: never\r\nContent-Disposition: ;;;\r\n\r\n",
    ],
)
async def test_a_malformed_mail_is_shown_as_well_as_can_be(smtp_port: int, page: httpx.AsyncClient, raw: bytes) -> None:
    await send(smtp_port, raw)
    [mail] = (await page.get("/messages")).json()
    assert (await page.get("/")).status_code == 200
    assert (await page.get(f"/mail/{mail['id']}")).status_code == 200
    assert (await page.get(f"/messages/{mail['id']}.eml")).status_code == 200


async def test_a_hidden_recipient_is_shown_all_the_same(smtp_port: int, page: httpx.AsyncClient) -> None:
    await send(smtp_port, digest(), recipients=("cleo@client.test", "hidden@client.test"))
    [mail] = (await page.get("/messages")).json()
    assert mail["to"] == "cleo@client.test, hidden@client.test"


def test_the_memory_is_bounded() -> None:
    by_number = Mailbox(most_mails=3)
    for number in range(5):
        by_number.catch("", ("a@b.test",), str(number).encode())
    assert [mail.raw for mail in by_number.newest_first()] == [b"4", b"3", b"2"]
    by_size = Mailbox(most_bytes=10)
    for number in range(5):
        by_size.catch("", ("a@b.test",), str(number).encode() * 4)
    assert [mail.raw for mail in by_size.newest_first()] == [b"4444", b"3333"]
    by_size.catch("", ("a@b.test",), b"x" * 100)
    assert len(by_size.newest_first()) == 1
