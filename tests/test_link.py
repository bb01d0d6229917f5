"""Links to sign in by: asked for by anybody, mailed to who has an account, good once."""

import asyncio
import base64
from typing import Any

import pytest

from models.link import LinkPurpose
from resolvers import link as links
from resolvers.operation import Transaction
from resolvers.password import hash_password
from resolvers.process import Process
from resolvers.tokens import link_token, read_link_token
from tests.cast import Person, link_of, user_of
from tests.ledger import Ledger
from tests.races import blocked, held

TOKENS = "session { accessToken refreshToken } viewer { user { email } }"
NOT_A_LINK = [("INVALID_CREDENTIALS", ["token"])]


async def answer_all(ledger: Ledger) -> int:
    """As a worker does what was queued; the number of mails that are owed then."""
    asked = [arguments for task, *arguments in ledger.queued if task == "link.answer"]
    for (request_id,) in asked:
        await links.answer_request(ledger.process, request_id)
    ((owed,),) = await ledger.sql("SELECT count(*) FROM mail")
    return int(owed)


async def owed(ledger: Ledger) -> list[tuple[str, str, str]]:
    """The mails that are owed: the firm, the address, and what for."""
    return await ledger.sql(  # type: ignore[return-value]
        'SELECT slug, email, mail.kind FROM mail JOIN "user" u ON u.id = mail.user_id'
        " JOIN workspace ON workspace.id = mail.workspace_id ORDER BY slug, email"
    )


async def newest_token(process: Process, ledger: Ledger) -> str:
    ((workspace_id, link_id),) = await ledger.sql("SELECT workspace_id, id FROM link ORDER BY created_at DESC LIMIT 1")
    return link_token(process.link_keys, workspace_id, link_id)


@pytest.fixture
async def token(process: Process, ada: Person) -> str:
    return await link_of(process, ada.workspace_id, ada.user_id, LinkPurpose.SIGN_IN)


class TestAskingForALink:
    async def test_signs_in_whoever_follows_it(self, process: Process, nobody: Person, ledger: Ledger) -> None:
        assert await nobody.done("requestSignInLink", {"email": " CLEO@client.test"}) == {"userErrors": []}
        assert await answer_all(ledger) == 1
        assert await owed(ledger) == [("northwind", "cleo@client.test", "SIGN_IN")]
        token = await newest_token(process, ledger)
        signed_in = await nobody.done("signInWithToken", {"token": token}, TOKENS)
        assert signed_in["viewer"]["user"]["email"] == "cleo@client.test"

    @pytest.mark.parametrize("mutation", ["requestSignInLink", "requestPasswordReset"])
    @pytest.mark.parametrize(
        "given",
        [
            {"email": "nobody@client.test"},
            {"email": "ivy@client.test"},  # invited
            {"email": "max@firm.test"},  # deactivated
            {"email": "cleo@client.test", "workspace": "other"},
            {"email": "cleo@client.test", "workspace": "nowhere"},
            {"email": "no address"},
        ],
    )
    async def test_the_answer_for_who_has_no_account_is_that_for_who_has_one(
        self, mutation: str, given: dict[str, str], nobody: Person, ledger: Ledger
    ) -> None:
        async with ledger.watching(nobody) as written:
            assert await nobody.done(mutation, given) == {"userErrors": []}
        assert written == []
        assert await answer_all(ledger) == 0
        assert await ledger.sql("SELECT count(*) FROM link_request") == [(0,)]

    @pytest.mark.parametrize("email", ["nobody@client.test", "cleo@client.test"])
    async def test_nobody_is_looked_up_before_the_answer(self, email: str, nobody: Person, ledger: Ledger) -> None:
        """One row is written, whoever is asked for: so the time is the same by construction."""
        before = await ledger.rows()
        await nobody.done("requestSignInLink", {"email": email})
        now = await ledger.rows()
        assert {table for table in now if now[table] != before[table]} == {"link_request"}

    @pytest.mark.parametrize(
        ("email", "code"), [("", "BLANK"), ("  ", "BLANK"), ("\0", "INVALID"), ("x" * 9999, "INVALID")]
    )
    async def test_what_can_be_nobodys_address_is_refused(
        self, email: str, code: str, nobody: Person, ledger: Ledger
    ) -> None:
        async with ledger.unchanged():
            assert await nobody.refused("requestSignInLink", {"email": email}) == [(code, ["email"])]

    async def test_who_has_accounts_in_two_firms_gets_a_mail_of_each_or_of_the_one_that_is_named(
        self, ada: Person, zoe: Person, nobody: Person, ledger: Ledger
    ) -> None:
        await ledger.sql(
            'UPDATE "user" SET email = %s, email_key = %s WHERE id = %s', *["ada@firm.test"] * 2, zoe.user_id
        )
        await nobody.done("requestSignInLink", {"email": "ada@firm.test", "workspace": "other"})
        await answer_all(ledger)
        assert await owed(ledger) == [("other", "ada@firm.test", "SIGN_IN")]
        await nobody.done("requestSignInLink", {"email": "ada@firm.test"})
        await answer_all(ledger)
        assert await owed(ledger) == [
            ("northwind", "ada@firm.test", "SIGN_IN"),
            ("other", "ada@firm.test", "SIGN_IN"),
            ("other", "ada@firm.test", "SIGN_IN"),
        ]

    async def test_a_request_that_is_answered_twice_owes_one_mail(self, nobody: Person, ledger: Ledger) -> None:
        await nobody.done("requestSignInLink", {"email": "cleo@client.test"})
        request = await ledger.sql("SELECT * FROM link_request")
        await answer_all(ledger)
        # As if the worker had died just before it deleted the request.
        await ledger.sql(f"INSERT INTO link_request VALUES ({', '.join(['%s'] * len(request[0]))})", *request[0])
        assert await answer_all(ledger) == 1

    async def test_what_a_flushed_broker_lost_is_queued_by_the_sweep(
        self, process: Process, nobody: Person, ledger: Ledger
    ) -> None:
        await nobody.done("requestSignInLink", {"email": "cleo@client.test"})
        ledger.queued.clear()
        assert await links.sweep_requests(process) == 1
        assert await links.sweep_requests(process) == 0, "it is leased"
        assert await answer_all(ledger) == 1

    async def test_who_is_deactivated_while_it_is_answered_gets_none(
        self, process: Process, cleo: Person, nobody: Person, ledger: Ledger
    ) -> None:
        await nobody.done("requestSignInLink", {"email": cleo.member.email})

        async def deactivating(transaction: Transaction) -> None:
            await transaction.connection.execute(
                'UPDATE "user" SET status = %s WHERE id = %s', ["DEACTIVATED", cleo.user_id]
            )

        async with held(process, cleo.workspace_id, deactivating) as one:
            waiting = asyncio.create_task(answer_all(ledger))
            await blocked(process, waiting)
            await one.commit()
        assert await waiting == 0


class TestFollowingALink:
    async def test_it_is_good_once(self, token: str, nobody: Person, ledger: Ledger) -> None:
        await nobody.done("signInWithToken", {"token": token}, TOKENS)
        async with ledger.unchanged():
            assert await nobody.refused("signInWithToken", {"token": token}) == [("EXPIRED", ["token"])]

    async def test_followed_by_many_at_once_it_signs_in_one(self, token: str, nobody: Person) -> None:
        answers = await asyncio.gather(*(nobody.do("signInWithToken", {"token": token}, TOKENS) for _ in range(8)))
        assert sum(answer["session"] is not None for answer in answers) == 1

    async def test_its_time_runs_out(self, token: str, nobody: Person, ledger: Ledger) -> None:
        assert await ledger.sql("SELECT expires_at - created_at BETWEEN '14 min' AND '15 min 1 s' FROM link") == [
            (True,)
        ]
        await ledger.sql("UPDATE link SET expires_at = clock_timestamp()")
        async with ledger.unchanged():
            assert await nobody.refused("signInWithToken", {"token": token}) == [("EXPIRED", ["token"])]

    async def test_only_the_token_itself_opens(self, token: str, nobody: Person, ledger: Ledger) -> None:
        raw = bytearray(base64.urlsafe_b64decode(token + "=="))
        wrong = [
            token[:-1],
            token[:40],
            token + "A",
            token + "=",
            token.swapcase(),
            "",
            "x" * 10_240,
            "💥",
            "\0",
            "\ud800",
        ]
        for place in range(len(raw)):
            raw[place] ^= 1
            wrong.append(base64.urlsafe_b64encode(raw).rstrip(b"=").decode())
            raw[place] ^= 1
        async with ledger.unchanged():
            for each in wrong:
                assert await nobody.refused("signInWithToken", {"token": each}) == NOT_A_LINK, each
        await nobody.done("signInWithToken", {"token": token}, TOKENS)

    @pytest.mark.parametrize("purpose", LinkPurpose)
    async def test_a_link_is_good_for_its_own_purpose_alone(
        self, purpose: LinkPurpose, process: Process, ada: Person, ledger: Ledger
    ) -> None:
        token = await link_of(process, ada.workspace_id, ada.user_id, purpose)
        inputs: dict[LinkPurpose, tuple[str, dict[str, Any]]] = {
            LinkPurpose.SIGN_IN: ("signInWithToken", {}),
            LinkPurpose.INVITATION: ("acceptInvitation", {"password": "a new password"}),
            LinkPurpose.RESET: ("resetPassword", {"password": "a new password"}),
        }
        async with ledger.unchanged():
            for other, (mutation, more) in inputs.items():
                if other is not purpose:
                    assert await ada.refused(mutation, {"token": token, **more}) == NOT_A_LINK
            assert await ada.refused("refreshSession", {"refreshToken": token}) == [
                ("INVALID_CREDENTIALS", ["refreshToken"])
            ]

    async def test_a_token_of_another_installation_is_none(self, process: Process, token: str, ada: Person) -> None:
        named = read_link_token(process.link_keys, token)
        assert named is not None
        foreign = link_token([b"a key of another installation"], *named)
        assert await ada.refused("signInWithToken", {"token": foreign}) == NOT_A_LINK

    async def test_a_key_that_was_replaced_still_opens_what_it_made(self, process: Process, token: str) -> None:
        assert read_link_token([b"a newer key", *process.link_keys], token) is not None
        assert read_link_token([b"a newer key"], token) is None

    async def test_a_link_names_one_firm_and_opens_no_other(self, token: str, zoe: Person) -> None:
        raw = bytearray(base64.urlsafe_b64decode(token + "=="))
        raw[:16] = zoe.workspace_id.bytes
        moved = base64.urlsafe_b64encode(raw).rstrip(b"=").decode()
        assert await zoe.refused("signInWithToken", {"token": moved}) == NOT_A_LINK

    async def test_who_was_deactivated_after_it_was_sent_is_not_signed_in(
        self, token: str, ada: Person, nobody: Person, ledger: Ledger
    ) -> None:
        await ledger.set_status(ada, "DEACTIVATED")
        async with ledger.unchanged():
            assert await nobody.refused("signInWithToken", {"token": token}) == [("INVALID_CREDENTIALS", None)]

    @pytest.mark.parametrize("path", ["/sign-in", "/graphql"])
    async def test_a_scanner_that_gets_the_address_spends_nothing(
        self, path: str, token: str, nobody: Person, ledger: Ledger
    ) -> None:
        mutation = f'mutation {{ signInWithToken(input: {{token: "{token}"}}) {{ userErrors {{ code }} }} }}'
        async with ledger.unchanged():
            for method in ("GET", "HEAD"):
                await nobody.client.request(method, path, params={"token": token, "query": mutation})
        await nobody.done("signInWithToken", {"token": token}, TOKENS)


async def test_links_of_long_ago_are_swept_and_others_stay(
    process: Process, ada: Person, token: str, ledger: Ledger
) -> None:
    for days in (91, 89, 91):
        await link_of(process, ada.workspace_id, ada.user_id, LinkPurpose.RESET)
        await ledger.sql(
            "UPDATE link SET expires_at = now() - make_interval(days => %s)"
            " WHERE expires_at > now() AND purpose = 'RESET'",
            days,
        )
    assert await links.sweep_spent(process) == 0, "the outbox still has their mails"
    await ledger.sql("DELETE FROM mail")
    assert await links.sweep_spent(process) == 2
    assert await ledger.sql("SELECT count(*) FROM link") == [(2,)]


@pytest.mark.parametrize(
    ("mutation", "purpose"), [("acceptInvitation", LinkPurpose.INVITATION), ("resetPassword", LinkPurpose.RESET)]
)
async def test_no_password_is_hashed_for_who_has_no_good_link(
    mutation: str, purpose: LinkPurpose, process: Process, ada: Person, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hashing is slow on purpose: whoever keeps a spent link could else keep the processors busy with it."""
    hashed = []

    async def counted(password: str) -> str:
        hashed.append(password)
        return await hash_password(password)

    monkeypatch.setattr("resolvers.invitation.hash_password", counted)
    monkeypatch.setattr("resolvers.credential.hash_password", counted)
    user_id = await user_of(process, "ivy@client.test") if purpose is LinkPurpose.INVITATION else ada.user_id
    token = await link_of(process, ada.workspace_id, user_id, purpose)
    given = {"token": token, "password": "a new password"}
    await ada.done(mutation, given, TOKENS)
    for _ in range(3):
        assert await ada.refused(mutation, given) == [("EXPIRED", ["token"])]
    assert len(hashed) == 1
