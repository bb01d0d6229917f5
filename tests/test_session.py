"""Sign-ins: by address and password, renewed by a refresh token, ended by signing out."""

import asyncio
import base64
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest

from models.user import UserKind
from resolvers.operation import operate
from resolvers.password import hash_password
from resolvers.process import Process
from resolvers.tokens import Named, access_token, read_access_token
from resolvers.user import create_user
from tests.cast import PASSWORD, Person
from tests.ledger import Ledger, Written
from tests.races import rows

SESSION = "session { accessToken expiresAt refreshToken } viewer { id user { id name email status } eventCursor }"
WRONG = ("INVALID_CREDENTIALS", None)
NO_SIGN_IN = [("INVALID_CREDENTIALS", ["refreshToken"])]


async def sign_in(person: Person, email: str, password: str = PASSWORD, **more: Any) -> Any:
    return await person.done("signIn", {"email": email, "password": password, **more}, SESSION)


def at(person: Person, token: str) -> Person:
    """Somebody with another token."""
    made = Person(person.member, person.workspace_id, person.user_id, person.client)
    made.token = token
    return made


async def is_signed_in(person: Person, token: str) -> bool:
    response = await at(person, token).post("{ viewer { user { id } } }")
    if response.status_code == 401:
        assert response.json()["errors"][0]["extensions"]["code"] == "UNAUTHENTICATED"
        assert response.headers["www-authenticate"] == "Bearer"
        return False
    assert response.json() == {"data": {"viewer": {"user": {"id": person.id}}}}
    return True


class TestSigningIn:
    @pytest.mark.parametrize("who", ["ada", "cleo", "zoe"])
    async def test_gives_tokens_and_the_viewer_as_they_see_themselves(
        self, who: str, people: dict[str, Person], nobody: Person
    ) -> None:
        person = people[who]
        payload = await sign_in(nobody, person.member.email)
        shown = {"id": person.id, "name": who.title(), "email": person.member.email}
        assert payload["viewer"]["user"] == {**shown, "status": None if who == "cleo" else "ACTIVE"}
        assert payload["viewer"]["eventCursor"]
        session = payload["session"]
        assert session["expiresAt"].endswith("Z")
        remaining = datetime.fromisoformat(session["expiresAt"]) - datetime.now(UTC)
        assert timedelta(minutes=14) < remaining <= timedelta(minutes=15)
        assert await is_signed_in(person, session["accessToken"])

    async def test_each_is_a_sign_in_of_its_own(self, ada: Person, nobody: Person) -> None:
        one, other = [(await sign_in(nobody, ada.member.email))["session"] for _ in range(2)]
        assert one["refreshToken"] != other["refreshToken"]
        await at(ada, one["accessToken"]).do("signOut")
        assert not await is_signed_in(ada, one["accessToken"])
        assert await is_signed_in(ada, other["accessToken"])

    @pytest.mark.parametrize("email", ["ADA@FIRM.TEST", "  ada@firm.test\n", "Ada@Firm.Test"])
    async def test_case_and_white_space_of_the_address_do_not_matter(self, email: str, ada: Person) -> None:
        assert (await sign_in(ada, email))["viewer"]["user"]["id"] == ada.id

    async def test_nor_does_the_way_in_which_an_accent_is_written(self, ada: Person, process: Process) -> None:
        hashed = await hash_password(PASSWORD)
        await operate(
            process,
            ada.workspace_id,
            lambda transaction: create_user(
                transaction, kind=UserKind.CLIENT, name="Zoé", email="Zoe\u0301@CLIENT.test", password_hash=hashed
            ),
        )
        for email in ("zo\u00e9@client.test", "ZOE\u0301@client.test", "ZO\u00c9@client.test"):
            assert (await sign_in(ada, email))["viewer"]["user"]["name"] == "Zoé"

    @pytest.mark.parametrize(
        "given",
        [
            {"password": "wrong"},
            {"password": ""},
            {"password": PASSWORD + " "},
            {"password": PASSWORD.upper()},
            {"password": "\ud800"},
            {"password": PASSWORD + "\0"},
            {"email": "nobody@firm.test"},
            {"email": ""},
            {"email": "ada"},
            {"email": "ada@firm.test\0"},
            {"email": "\ud800"},
            {"email": "%"},
            {"email": "ivy@client.test"},
            {"email": "max@firm.test"},
            {"workspace": "other"},
            {"workspace": "nowhere"},
            {"workspace": "north%"},
            {"workspace": "\0"},
            {"workspace": "\ud800"},
        ],
        ids=lambda given: ascii(given),
    )
    async def test_whatever_is_wrong_the_answer_is_the_same_and_nothing_is_written(
        self, given: dict[str, str], ada: Person, nobody: Person, ledger: Ledger
    ) -> None:
        input = {"email": ada.member.email, "password": PASSWORD, "workspace": "northwind", **given}
        async with ledger.unchanged(but="audit"):
            payload = await nobody.do("signIn", input, SESSION)
        refusal = {
            "code": "INVALID_CREDENTIALS",
            "field": None,
            "message": "The address or the password is not right.",
        }
        assert payload == {"session": None, "viewer": None, "userErrors": [refusal]}

    async def test_an_account_without_a_password_has_none_that_fits(self, ada: Person, ledger: Ledger) -> None:
        await ledger.sql('UPDATE "user" SET password_hash = NULL WHERE id = %s', ada.user_id)
        for password in ("", PASSWORD, "None", "nobody signs in with this"):
            assert await ada.refused("signIn", {"email": ada.member.email, "password": password}) == [WRONG]

    async def test_the_workspace_is_named_by_its_slug_or_its_name_whatever_the_case(self, ada: Person) -> None:
        for workspace in ("northwind", "NORTHWIND", " northwind ", "Northwind Studio", "northwind studio", None, ""):
            assert (await sign_in(ada, ada.member.email, workspace=workspace))["viewer"]["user"]["id"] == ada.id


class TestOneAddressInTwoWorkspaces:
    @pytest.fixture
    async def twice(self, ada: Person, zoe: Person, process: Process) -> str:
        """Ada's address also has an account at the other firm, under another password."""
        hashed = await hash_password("another password")
        await operate(
            process,
            zoe.workspace_id,
            lambda transaction: create_user(
                transaction, kind=UserKind.CLIENT, name="Ada too", email=ada.member.email, password_hash=hashed
            ),
        )
        return ada.member.email

    async def test_the_password_tells_them_apart(self, twice: str, nobody: Person) -> None:
        assert (await sign_in(nobody, twice))["viewer"]["user"]["name"] == "Ada"
        assert (await sign_in(nobody, twice, "another password"))["viewer"]["user"]["name"] == "Ada too"

    async def test_with_one_password_the_workspace_must_be_named(
        self, twice: str, nobody: Person, ledger: Ledger
    ) -> None:
        await ledger.sql(
            'UPDATE "user" SET password_hash = (SELECT password_hash FROM "user" WHERE name = %s) WHERE email = %s',
            "Ada",
            twice,
        )
        async with ledger.unchanged(but="audit"):
            assert await nobody.refused("signIn", {"email": twice, "password": PASSWORD}) == [WRONG]
        for workspace, name in (("northwind", "Ada"), ("other", "Ada too")):
            assert (await sign_in(nobody, twice, workspace=workspace))["viewer"]["user"]["name"] == name

    async def test_the_other_ones_password_does_not_open_the_named_workspace(self, twice: str, nobody: Person) -> None:
        input = {"email": twice, "password": "another password", "workspace": "northwind"}
        assert await nobody.refused("signIn", input) == [WRONG]

    async def test_a_deactivated_account_does_not_stand_in_the_way(
        self, twice: str, ada: Person, nobody: Person, ledger: Ledger
    ) -> None:
        await ledger.sql(
            'UPDATE "user" SET password_hash = (SELECT password_hash FROM "user" WHERE name = %s) WHERE email = %s',
            "Ada",
            twice,
        )
        await ledger.set_status(ada, "DEACTIVATED")
        assert (await sign_in(nobody, twice))["viewer"]["user"]["name"] == "Ada too"


class TestRenewing:
    async def refresh(self, person: Person, token: str) -> Any:
        return await person.do("refreshSession", {"refreshToken": token}, SESSION)

    async def test_gives_new_tokens_of_the_same_sign_in(self, cleo: Person, nobody: Person, ledger: Ledger) -> None:
        first = (await sign_in(nobody, cleo.member.email))["session"]
        sessions = await ledger.sql("SELECT id FROM session ORDER BY id")
        async with ledger.watching(cleo) as written:
            payload = await self.refresh(nobody, first["refreshToken"])
        assert payload["viewer"]["user"]["email"] == cleo.member.email
        assert payload["session"]["refreshToken"] != first["refreshToken"]
        assert await is_signed_in(cleo, payload["session"]["accessToken"])
        assert await is_signed_in(cleo, first["accessToken"])
        assert await ledger.sql("SELECT id FROM session ORDER BY id") == sessions
        assert written == []

    async def test_a_client_that_lost_the_answer_asks_again_and_gets_the_same_successor(
        self, cleo: Person, nobody: Person, ledger: Ledger
    ) -> None:
        first = (await sign_in(nobody, cleo.member.email))["session"]["refreshToken"]
        second = (await self.refresh(nobody, first))["session"]
        async with ledger.unchanged():
            again = (await self.refresh(nobody, first))["session"]
        assert again["refreshToken"] == second["refreshToken"]
        assert await is_signed_in(cleo, again["accessToken"])
        assert (await self.refresh(nobody, again["refreshToken"]))["session"]

    async def test_two_tabs_that_renew_at_once_both_stay_signed_in(self, cleo: Person, nobody: Person) -> None:
        first = (await sign_in(nobody, cleo.member.email))["session"]["refreshToken"]
        answers = await asyncio.gather(*(self.refresh(nobody, first) for _ in range(8)))
        assert len({answer["session"]["refreshToken"] for answer in answers}) == 1
        for answer in answers:
            assert await is_signed_in(cleo, answer["session"]["accessToken"])

    async def later(self, ledger: Ledger, seconds: int = 11) -> None:
        await ledger.sql(f"UPDATE session SET refreshed_at = refreshed_at - interval '{seconds} seconds'")

    @pytest.mark.parametrize("when", ["its successor was used", "later"])
    async def test_a_replayed_token_ends_its_sign_in(
        self, when: str, cleo: Person, nobody: Person, ledger: Ledger
    ) -> None:
        first = (await sign_in(nobody, cleo.member.email))["session"]["refreshToken"]
        session = (await self.refresh(nobody, first))["session"]
        if when == "later":
            await self.later(ledger)
        else:
            session = (await self.refresh(nobody, session["refreshToken"]))["session"]
        async with ledger.watching(cleo) as written:
            assert await nobody.refused("refreshSession", {"refreshToken": first}) == NO_SIGN_IN
        assert [event.kind for event in written] == ["SESSION_ENDED"]
        assert not await is_signed_in(cleo, session["accessToken"])
        async with ledger.unchanged():
            assert await nobody.refused("refreshSession", {"refreshToken": session["refreshToken"]}) == NO_SIGN_IN
        assert await ledger.sql("SELECT action, by FROM audit ORDER BY id DESC LIMIT 1") == [
            ("REFRESH_TOKEN_REPLAYED", "STRANGER")
        ]
        assert cleo.token is not None
        assert await is_signed_in(cleo, cleo.token), "another sign-in of theirs goes on"

    async def test_a_retry_just_within_its_time_is_answered(self, cleo: Person, nobody: Person, ledger: Ledger) -> None:
        first = (await sign_in(nobody, cleo.member.email))["session"]["refreshToken"]
        await self.refresh(nobody, first)
        await self.later(ledger, 8)
        assert (await self.refresh(nobody, first))["session"]

    async def test_somebody_who_knows_a_sign_in_but_no_token_of_it_can_not_end_it(
        self, cleo: Person, nobody: Person, ledger: Ledger
    ) -> None:
        token = (await sign_in(nobody, cleo.member.email))["session"]["refreshToken"]
        made_up = base64.urlsafe_b64decode(token + "==")[:32] + bytes(48)
        async with ledger.unchanged():
            given = base64.urlsafe_b64encode(made_up).rstrip(b"=").decode()
            assert await nobody.refused("refreshSession", {"refreshToken": given}) == NO_SIGN_IN
        assert (await self.refresh(nobody, token))["session"]

    async def test_whose_access_token_is_sent_along_does_not_matter(
        self, ada: Person, cleo: Person, nobody: Person
    ) -> None:
        token = (await sign_in(nobody, cleo.member.email))["session"]["refreshToken"]
        assert (await self.refresh(ada, token))["viewer"]["user"]["email"] == cleo.member.email

    async def test_renewing_puts_off_the_end(self, cleo: Person, nobody: Person, ledger: Ledger) -> None:
        token = (await sign_in(nobody, cleo.member.email))["session"]["refreshToken"]
        await ledger.sql("UPDATE session SET expires_at = now() + interval '1 minute'")
        await self.refresh(nobody, token)
        ((most,),) = await ledger.sql("SELECT max(expires_at) - now() > interval '29 days' FROM session")
        assert most is True

    async def test_an_expired_sign_in_is_not_renewed(self, cleo: Person, nobody: Person, ledger: Ledger) -> None:
        session = (await sign_in(nobody, cleo.member.email))["session"]
        await ledger.sql("UPDATE session SET expires_at = now() - interval '1 second'")
        async with ledger.unchanged():
            refused = await nobody.refused("refreshSession", {"refreshToken": session["refreshToken"]})
            assert refused == [("EXPIRED", ["refreshToken"])]
            assert not await is_signed_in(cleo, session["accessToken"])

    @pytest.mark.parametrize("end", ["signed out", "deactivated", "invited"])
    async def test_a_sign_in_that_has_ended_is_not_renewed(
        self, end: str, cleo: Person, nobody: Person, ledger: Ledger
    ) -> None:
        session = (await sign_in(nobody, cleo.member.email))["session"]
        if end == "signed out":
            await at(cleo, session["accessToken"]).do("signOut")
        else:
            await ledger.set_status(cleo, end.upper())
        async with ledger.unchanged():
            refused = await nobody.refused("refreshSession", {"refreshToken": session["refreshToken"]})
        assert refused == [("INVALID_CREDENTIALS", ["refreshToken"])]

    async def test_only_the_token_itself_opens(self, cleo: Person, nobody: Person, ledger: Ledger) -> None:
        session = (await sign_in(nobody, cleo.member.email))["session"]
        token = session["refreshToken"]
        changed = bytearray(base64.urlsafe_b64decode(token + "=="))
        places = [*range(0, 48, 5)]  # of who it names, and of its family
        wrong = [token[:-4], token + "AAAA", token.swapcase(), session["accessToken"], "", "x" * 10_240, "💥", "\0"]
        for place in places:
            changed[place] ^= 1
            wrong.append(base64.urlsafe_b64encode(changed).rstrip(b"=").decode())
            changed[place] ^= 1
        async with ledger.unchanged():
            for each in wrong:
                refused = await nobody.refused("refreshSession", {"refreshToken": each})
                assert refused == [("INVALID_CREDENTIALS", ["refreshToken"])], each
        assert token not in str(await ledger.rows())
        changed[-1] ^= 1  # a token of the sign-in that was never good is as a stolen one
        made = base64.urlsafe_b64encode(changed).rstrip(b"=").decode()
        assert await nobody.refused("refreshSession", {"refreshToken": made}) == NO_SIGN_IN

    async def test_neither_token_nor_password_is_kept(self, cleo: Person, nobody: Person, ledger: Ledger) -> None:
        token = (await sign_in(nobody, cleo.member.email))["session"]["refreshToken"]
        renewed = (await self.refresh(nobody, token))["session"]["refreshToken"]
        rows = str(await ledger.rows())
        assert PASSWORD not in rows
        for each in (token, renewed):
            raw = base64.urlsafe_b64decode(each + "==")
            assert raw[32:48].hex() not in rows
            assert raw[48:].hex() not in rows
        assert token not in rows


class TestSigningOut:
    async def test_ends_this_sign_in_alone_and_at_once(self, ada: Person, cleo: Person, ledger: Ledger) -> None:
        other = (await sign_in(ada, ada.member.email))["session"]["accessToken"]
        assert ada.token is not None
        ((session,),) = await ledger.sql(
            "SELECT id FROM session WHERE user_id = %s ORDER BY created_at LIMIT 1", ada.user_id
        )
        async with ledger.watching(ada) as written:
            assert await ada.do("signOut") == {"userErrors": []}
        assert written == [Written("SESSION_ENDED", user_id=ada.user_id, session_id=session)]
        assert not await is_signed_in(ada, ada.token)
        assert await is_signed_in(ada, other)
        assert cleo.token is not None
        assert await is_signed_in(cleo, cleo.token)


class TestAccessTokens:
    """A token that is sent but not good is refused as a whole."""

    def claims(self, token: str) -> dict[str, Any]:
        claims: dict[str, Any] = jwt.decode(token, options={"verify_signature": False})
        return claims

    def unsigned(self, claims: dict[str, Any], algorithm: str) -> str:
        parts = ({"alg": algorithm, "typ": "JWT"}, claims)
        return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts)

    async def test_only_our_own_signature_counts(self, ada: Person, process: Process) -> None:
        assert ada.token is not None
        claims = self.claims(ada.token)
        head, body, signature = ada.token.split(".")
        forged = [
            *(f"{self.unsigned(claims, name)}." for name in ("none", "None", "NONE", "HS256", "nOnE")),
            f"{self.unsigned(claims, 'none')}.{signature}",
            jwt.encode(claims, "a key of somebody else's, of 32 bytes or more", algorithm="HS256"),
            jwt.encode(claims, process.token_key, algorithm="HS384"),
            f"{head}.{body}.",
            f"{head}.{body}",
            f"{head}.{body}.{signature[:-2]}AA",
            f"{head}.{self.unsigned({**claims, 'exp': claims['exp'] + 1}, 'x').split('.')[1]}.{signature}",
            ada.token[:-1],
            ada.token + "A",
            "x",
            "x.y.z",
            "A" * 10_240,
        ]
        for token in forged:
            assert not await is_signed_in(ada, token), token
        assert await is_signed_in(ada, ada.token)

    async def test_what_it_says_must_be_whole_and_true(
        self, ada: Person, ben: Person, zoe: Person, process: Process
    ) -> None:
        assert ada.token is not None
        claims = self.claims(ada.token)
        now = datetime.now(UTC)
        changes: list[dict[str, Any]] = [
            {"exp": now - timedelta(seconds=1)},
            {"exp": None},
            {"exp": "tomorrow"},
            {"iss": "somebody else"},
            {"nbf": now + timedelta(minutes=5)},
            {"sub": str(ben.user_id)},
            {"sub": str(zoe.user_id)},
            {"sub": "ada"},
            {"sub": 5},
            {"sid": str(uuid4())},
            {"sid": None},
            {"wid": str(zoe.workspace_id)},
            {"wid": ["x"]},
        ]
        changes += [{name: ...} for name in ("exp", "iss", "sub", "sid", "wid")]
        for change in changes:
            made = {name: value for name, value in {**claims, **change}.items() if value is not ...}
            signed = jwt.api_jws.encode(
                json.dumps(made, default=lambda moment: int(moment.timestamp())).encode(), process.token_key, "HS256"
            )
            assert not await is_signed_in(ada, signed), change
        assert await is_signed_in(ada, jwt.encode(claims, process.token_key, algorithm="HS256"))

    async def test_a_bad_one_is_refused_as_a_whole_and_none_at_each_field(self, ada: Person, nobody: Person) -> None:
        query = "{ __typename viewer { id } }"
        assert (await nobody.post(query)).status_code == 200
        response = await at(ada, "bad").post(query)
        assert response.status_code == 401
        assert "data" not in response.json()


class TestPublicMutations:
    """A document that selects only mutations which need no token ignores the header."""

    SIGN_IN = 'signIn(input: {email: "ada@firm.test", password: "parley-test"}) { viewer { user { name } } }'
    REFRESH = 'refreshSession(input: {refreshToken: "x"}) { userErrors { code } }'

    async def test_an_expired_token_does_not_stand_in_their_way(self, ada: Person, ledger: Ledger) -> None:
        await ada.do("signOut")
        found = await ada.ask(f"mutation {{ {self.SIGN_IN} {self.REFRESH} }}")
        assert found == {
            "signIn": {"viewer": {"user": {"name": "Ada"}}},
            "refreshSession": {"userErrors": [{"code": "INVALID_CREDENTIALS"}]},
        }

    async def test_mixed_with_anything_else_it_does(self, ada: Person, ledger: Ledger) -> None:
        bad = at(ada, "bad")
        async with ledger.unchanged():
            for other in ("signOut { userErrors { code } }", 'createRoom(input: {name: "x"}) { room { id } }'):
                response = await bad.post(f"mutation {{ {self.SIGN_IN} {other} }}")
                assert response.status_code == 401
        document = f"mutation a {{ {self.SIGN_IN} }} mutation b {{ signOut {{ userErrors {{ code }} }} }}"
        headers = {"authorization": "Bearer bad"}
        for name, status in (("a", 200), ("b", 401)):
            response = await ada.client.post(
                "/graphql", json={"query": document, "operationName": name}, headers=headers
            )
            assert response.status_code == status

    async def test_who_signs_in_is_the_viewer_of_that_payload_alone(self, cleo: Person, ada: Person) -> None:
        room = await ada.make_room(cleo)
        await ada.send(room)
        found = await cleo.ask(
            f"""
            mutation ($id: ID!) {{
              {self.SIGN_IN}
              sendMessage(input: {{roomId: $id, body: "Me"}}) {{
                message {{ author {{ name email }} viewerCanEdit room {{ viewerCanManage }} }}
              }}
            }}
            """,
            id=room,
        )
        assert found == {
            "signIn": {"viewer": {"user": {"name": "Ada"}}},
            "sendMessage": {
                "message": {
                    "author": {"name": "Cleo", "email": cleo.member.email},
                    "viewerCanEdit": True,
                    "room": {"viewerCanManage": False},
                }
            },
        }

    async def test_signing_in_does_not_sign_in_what_follows(self, nobody: Person, ledger: Ledger) -> None:
        found = await nobody.answer(
            f'mutation {{ {self.SIGN_IN} createRoom(input: {{name: "x"}}) {{ room {{ id }} }} }}'
        )
        assert found["data"]["createRoom"] is None
        assert [error["extensions"]["code"] for error in found["errors"]] == ["UNAUTHENTICATED"]
        assert await ledger.sql("SELECT 1 FROM room") == []


async def test_a_cursor_is_of_the_workspace_that_was_signed_in_to(process: Process, ada: Person, zoe: Person) -> None:
    """Beside a mutation that needs a token, the token's workspace is another one."""
    query = f"""
        mutation {{
          setEmailNotifications(input: {{enabled: true}}) {{ viewer {{ eventCursor }} }}
          signIn(input: {{email: "zoe@firm.test", password: "{PASSWORD}"}}) {{ viewer {{ eventCursor }} }}
        }}
    """
    answer = await ada.ask(query)
    mine = process.cursors.open(ada.workspace_id, answer["setEmailNotifications"]["viewer"]["eventCursor"])
    theirs = process.cursors.open(zoe.workspace_id, answer["signIn"]["viewer"]["eventCursor"])
    for person, position in ((ada, mine), (zoe, theirs)):
        kept = await rows(
            process,
            "SELECT stamp FROM event WHERE workspace_id = %s AND position = %s",
            person.workspace_id,
            position.position,
        )
        assert kept == [(position.stamp,)]


def test_a_token_of_a_node_whose_clock_is_ahead_is_good() -> None:
    key = b"a key of the tests that has 32 bytes or more"
    named = Named(UUID(int=1), UUID(int=2), UUID(int=3))
    token, _ = access_token(key, named, 60)
    assert read_access_token(key, token) == named
    assert "iat" not in jwt.decode(token, options={"verify_signature": False})
