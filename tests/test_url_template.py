"""Where a firm may let links in mails lead."""

import string
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import example, given
from hypothesis import strategies as some

from resolvers.errors import Code, Refused
from resolvers.url_template import LIMIT, ROOM, TOKEN, filled, url_template

GOOD = [
    "https://portal.example/accept#token={token}",
    "https://portal.example#{token}",
    "https://portal.example/#/accept?token={token}&from=mail",
    "https://portal.example/accept?lang=de&token={token}#top",
    "HTTPS://portal.example:8443/a%20b/?t={token}",
    "https://xn--mnchen-3ya.example/#{token}",
    "https://[2001:db8::1]/#{token}",
    "http://localhost/#{token}",
    "http://localhost:3000/accept#{token}",
    "http://app.localhost/#{token}",
    "http://127.0.0.1:5173/#{token}",
    "http://[::1]:5173/#{token}",
]
BAD = [
    "",
    "{token}",
    "https://portal.example/accept",
    "https://portal.example/#{token}{token}",
    "https://portal.example/?a={token}#{token}",
    "https://portal.example/#{TOKEN}",
    "https://portal.example/#{room}{token}",
    "https://portal.example/{token}",  # servers, proxies and their logs would read it
    "https://portal.example/{token}#x",
    "https://{token}.example/",
    "https://portal.example:{token}/",
    "http://portal.example/#{token}",
    "http://localhost.evil.example/#{token}",
    "http://notlocalhost/#{token}",
    "http://127.0.0.1.evil.example/#{token}",
    "http://localhost@evil.example/#{token}",
    "https://ada@portal.example/#{token}",
    "https://ada:pass@portal.example/#{token}",
    "https://portal.example\\@evil.example/#{token}",
    "https:///#{token}",
    "https:portal.example/#{token}",
    "https://#{token}",
    "https://-portal.example/#{token}",
    "https://portal..example/#{token}",
    "https://portal%2eexample/#{token}",
    "https://münchen.example/#{token}",
    "https://portal.example:0/#{token}",
    "https://portal.example:65536/#{token}",
    "https://[::g]/#{token}",
    "https://[:.]/#{token}",
    "https://portal.example/#a#{token}",
    "https://portal.example/#%{token}",
    "https://portal.example/#%4{token}",
    "https://portal.example/%zz#{token}",
    "https://portal.example/a b#{token}",
    "https://portal.example/\n#{token}",
    "https://portal.example/#{token}\n",
    " https://portal.example/#{token}",
    "https://portal.example/\r\nBcc: x@evil.example#{token}",
    "https://portal.example/\0#{token}",
    "https://portal.example/\u202e#{token}",
    'https://portal.example/"onclick=#{token}',
    "https://portal.example/<b>#{token}",
    "javascript:alert(1)#{token}",
    "data:text/html,#{token}",
    "ftp://portal.example/#{token}",
    "//portal.example/#{token}",
    "/accept#{token}",
    "https://portal.example/#{token}" + "x" * LIMIT,
]


@pytest.mark.parametrize("template", GOOD)
def test_a_portals_address_is_kept_as_it_is(template: str) -> None:
    assert url_template(template, TOKEN) == template


@pytest.mark.parametrize("template", BAD)
def test_what_can_not_be_one_is_refused(template: str) -> None:
    with pytest.raises(Refused) as refused:
        url_template(template, TOKEN)
    assert refused.value.code is Code.INVALID


def test_a_room_may_stand_in_the_path_but_is_not_the_host() -> None:
    for template in ("https://portal.example/rooms/{room}", "https://portal.example/#/rooms/{room}/new"):
        assert url_template(template, ROOM) == template
    for template in ("https://{room}.example/", "https://portal.example/", "https://portal.example/#{token}"):
        with pytest.raises(Refused):
            url_template(template, ROOM)


@given(some.sampled_from(GOOD), some.text())
@example(GOOD[0], "#&?%/{token}")
def test_a_portal_reads_what_was_filled_in(template: str, value: str) -> None:
    try:
        value.encode()
    except UnicodeEncodeError:
        return
    link = filled(template, value)
    before, after = template.split(TOKEN)
    assert unquote(link[len(before) : len(link) - len(after)]) == value
    assert urlsplit(link)[:3] == urlsplit(before)[:3]
    assert set(link) <= set(string.ascii_letters + string.digits + string.punctuation)


@given(some.text(string.ascii_letters + string.punctuation + " \r\n\0é", max_size=20), some.integers(0, 40))
def test_whatever_is_taken_leads_to_the_host_that_it_shows(rubbish: str, place: int) -> None:
    given_ = GOOD[0][:place] + rubbish + GOOD[0][place:]
    try:
        template = url_template(given_, TOKEN)
    except Refused:
        return
    parts = urlsplit(filled(template, "value"))
    assert parts.scheme == "https"
    assert parts.username is None
    assert parts.netloc == template.partition("://")[2].partition("/")[0].partition("?")[0].partition("#")[0]
    assert "value" in parts.fragment + parts.query
    assert template.isascii()
    assert template.isprintable()
