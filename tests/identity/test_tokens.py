"""Which tokens of a firm's issuer are believed."""

import base64
import hmac
import json
import time
import warnings
from collections.abc import Awaitable, Callable
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256K1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa

from resolvers.issuer import Given, put_issuer
from resolvers.issuer_token import MOST_TRIED
from resolvers.process import Process
from tests.cast import Person
from tests.identity.oidc import ALGORITHMS, AUDIENCE, Oidc, jwk_of, new_key, pem_of
from tests.ledger import Ledger

INVALID = "The access token is not valid, or has expired."

Who = Callable[[str], Awaitable[Any]]
Refused = Callable[[str], Awaitable[str]]


def segment(what: Any) -> str:
    raw = what if isinstance(what, bytes) else json.dumps(what).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


@pytest.mark.parametrize("algorithm", ALGORITHMS)
async def test_a_token_is_accepted_as_it_is(firm: Oidc, who: Who, algorithm: str) -> None:
    user = await who(await firm.mint(kid=f"{algorithm}-1", picture="https://portal.test/cleo.png"))
    assert {name: user[name] for name in ("name", "kind", "email", "avatarUrl")} == {
        "name": "Cleo of the portal",
        "kind": "CLIENT",
        "email": "cleo@portal.test",
        "avatarUrl": "https://portal.test/cleo.png",
    }


@pytest.mark.parametrize("algorithm", ["RS256", "RS512", "PS256", "ES256", "EdDSA"])
async def test_a_static_key_needs_no_fetching(
    process: Process, ada: Person, firm: Oidc, who: Who, algorithm: str
) -> None:
    key = new_key(algorithm)
    await put_issuer(process, ada.workspace_id, Given("https://static.test", AUDIENCE, public_key=pem_of(key)))
    claims = firm.claims(iss="https://static.test")
    for headers in ({}, {"kid": "whatever"}):
        user = await who(jwt.encode({**claims, "sub": str(headers)}, key, algorithm=algorithm, headers=headers))
        assert user["email"] == "cleo@portal.test"
    assert await firm.asked() == 0


@pytest.mark.parametrize("audience", [["else", AUDIENCE], [AUDIENCE]])
async def test_one_audience_of_several_is_enough(firm: Oidc, who: Who, audience: list[str]) -> None:
    await who(await firm.mint(aud=audience))


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "somebody else"},
        {"aud": []},
        {"aud": None},
        {"aud": {"parley": True}},
        {"aud": "PARLEY"},
        {"iss": "https://unknown.test"},
        {"iss": "parley"},
        {"iss": None},
        {"iss": ["https://unknown.test"]},
        {"exp": None},
        {"exp": "soon"},
        {"exp": "99999999999"},
        {"exp": True},
        {"exp": 1e400},
        {"exp": 10**30},
        {"exp": 10**400},
        {"nbf": -(10**400)},
        {"iat": -(10**400)},
        {"iat": float("nan")},
        {"exp": []},
        {"nbf": "now"},
        {"nbf": {}},
        {"iat": "now"},
        {"iat": [1]},
    ],
    ids=lambda claims: str(claims)[:40],
)
async def test_claims_that_are_missing_or_of_the_wrong_type_or_not_ours_are_refused(
    firm: Oidc, refused: Refused, who: Who, claims: dict[str, Any]
) -> None:
    assert await refused(await firm.mint(**claims)) == INVALID
    await who(await firm.mint())


@pytest.mark.parametrize(
    ("claims", "says"),
    [
        ({"sub": None}, "no usable subject (sub)"),
        ({"sub": 17}, "no usable subject (sub)"),
        ({"sub": ""}, "no usable subject (sub)"),
        ({"sub": "x" * 256}, "no usable subject (sub)"),
        ({"sub": "a\0b"}, "no usable subject (sub)"),
        ({"sub": "a\ud800b"}, "no usable subject (sub)"),
        ({"email": None}, "no usable e-mail address (email)"),
        ({"email": ["cleo@portal.test"]}, "no usable e-mail address (email)"),
        ({"email": {"value": "cleo@portal.test"}}, "no usable e-mail address (email)"),
        ({"email": "cleo"}, "no usable e-mail address (email)"),
        ({"email": "cleo@portal.test\r\nBcc: all@portal.test"}, "no usable e-mail address (email)"),
        ({"email": "cleo@a@b"}, "no usable e-mail address (email)"),
        ({"email": "c\u202eleo@portal.test"}, "no usable e-mail address (email)"),
        ({"email": "x" * 400 + "@portal.test"}, "no usable e-mail address (email)"),
    ],
    ids=str,
)
async def test_whoever_holds_a_token_that_names_nobody_is_told_so(
    firm: Oidc, refused: Refused, ledger: Ledger, claims: dict[str, Any], says: str
) -> None:
    token = await firm.mint(**claims)
    async with ledger.unchanged():
        assert says in await refused(token)


class TestTime:
    """Clocks may differ by half a minute."""

    @pytest.mark.parametrize("claims", [{"exp": -25}, {"nbf": 25}, {"iat": 25}], ids=str)
    async def test_within_the_skew_is_good(self, firm: Oidc, who: Who, claims: dict[str, int]) -> None:
        await who(await firm.mint(**{name: time.time() + seconds for name, seconds in claims.items()}))

    @pytest.mark.parametrize("claims", [{"exp": -35}, {"nbf": 90}, {"iat": 90}, {"exp": -10_000}], ids=str)
    async def test_out_of_it_is_not(self, firm: Oidc, refused: Refused, claims: dict[str, int]) -> None:
        token = await firm.mint(**{name: int(time.time()) + seconds for name, seconds in claims.items()})
        assert await refused(token) == INVALID


class TestForgeries:
    """The key says which algorithm there may be, never the token."""

    @pytest.mark.parametrize("algorithm", ["none", "None", "NONE", ""])
    async def test_no_signature(self, firm: Oidc, refused: Refused, algorithm: str) -> None:
        head = {"alg": algorithm, "typ": "JWT", "kid": "RS256-1"}
        unsigned = f"{segment(head)}.{segment(firm.claims())}"
        for token in (f"{unsigned}.", f"{unsigned}.{segment(b'x')}", unsigned):
            await refused(token)

    @pytest.mark.parametrize("algorithm", ALGORITHMS)
    @pytest.mark.parametrize("hashing", ["HS256", "HS384", "HS512"])
    async def test_the_public_key_as_a_secret(
        self, process: Process, ada: Person, firm: Oidc, refused: Refused, who: Who, algorithm: str, hashing: str
    ) -> None:
        key = new_key(algorithm)
        jwk = jwk_of(key, algorithm, "mine")
        await firm.add(jwk)
        await put_issuer(process, ada.workspace_id, Given("https://static.test", AUDIENCE, public_key=pem_of(key)))
        secrets = [pem_of(key).encode(), pem_of(key).strip().encode(), json.dumps(jwk).encode()]
        for issuer in (firm.address, "https://static.test"):
            claims = firm.claims(iss=issuer, sub=issuer, email=f"{len(issuer)}@portal.test")
            for secret in secrets:
                assert await refused(with_hmac(secret, hashing, claims, "mine")) == INVALID
            await who(jwt.encode(claims, key, algorithm=algorithm, headers={"kid": "mine"}))

    async def test_symmetric_keys_that_are_published_are_no_keys(self, firm: Oidc, refused: Refused) -> None:
        await firm.add({"kty": "oct", "k": segment(b"s" * 32), "kid": "shared", "alg": "HS256"})
        assert await refused(with_hmac(b"s" * 32, "HS256", firm.claims(), "shared")) == INVALID

    @pytest.mark.parametrize(
        "more", [{"use": "enc"}, {"key_ops": ["encrypt"]}, {"alg": "PS256"}, {"alg": "RSA-OAEP"}, {"kid": 7}], ids=str
    )
    async def test_keys_for_something_else_sign_nothing(
        self, firm: Oidc, refused: Refused, more: dict[str, Any]
    ) -> None:
        key = new_key("RS256")
        await firm.add({**jwk_of(key, "RS256", "mine"), **more})
        assert await refused(jwt.encode(firm.claims(), key, "RS256", headers={"kid": "mine"})) == INVALID

    @pytest.mark.parametrize("key", [generate_rsa(65537, 1024), generate_private_key(SECP256K1())])
    async def test_weak_and_strange_keys_sign_nothing(self, firm: Oidc, refused: Refused, key: Any) -> None:
        algorithm = "RS256" if hasattr(key, "decrypt") else "ES256K"
        await firm.add(jwk_of(key, algorithm, "mine"))
        with warnings.catch_warnings(action="ignore"):
            token = jwt.encode(firm.claims(), key, algorithm, headers={"kid": "mine"})
        assert await refused(token) == INVALID

    async def test_a_key_signs_by_its_own_algorithms_only(self, firm: Oidc, refused: Refused) -> None:
        head, claims, signature = (await firm.mint(kid="RS256-1")).split(".")
        for algorithm in ("PS256", "RS384", "ES256", "EdDSA", "HS256"):
            forged = {**json.loads(base64.urlsafe_b64decode(head + "==")), "alg": algorithm}
            assert await refused(f"{segment(forged)}.{claims}.{signature}") == INVALID

    @pytest.mark.parametrize(
        "kid",
        ["../../etc/passwd", "' OR 1=1 --", "/dev/null", "", "es256-1", "x" * 5000, 7, ["ES256-1"], {"a": 1}],
        ids=str,
    )
    async def test_a_key_id_is_a_name_and_nothing_else(self, firm: Oidc, refused: Refused, kid: Any) -> None:
        _, claims, signature = (await firm.mint()).split(".")
        head = segment({"alg": "ES256", "typ": "JWT", "kid": kid})
        assert await refused(f"{head}.{claims}.{signature}") == INVALID

    async def test_without_a_key_id_one_key_alone_must_be_possible(
        self, firm: Oidc, rival: Oidc, refused: Refused, who: Who
    ) -> None:
        key = new_key("RS256")
        await rival.add(jwk_of(key, "RS256", "mine"))
        assert await refused(jwt.encode(rival.claims(), key, "RS256")) == INVALID  # the other RSA key could have, too
        lone = {**jwk_of(key, "RS256", None), "alg": "RS384"}
        await firm.behave("only what was added")
        await firm.add(lone)
        await who(jwt.encode(firm.claims(), key, "RS384"))

    async def test_of_keys_with_one_name_a_few_are_tried_and_not_a_hundred(
        self, firm: Oidc, refused: Refused, who: Who
    ) -> None:
        """Each forgery that names them costs the process as many verifications, whose issuer it may be."""
        keys = [new_key("ES256") for _ in range(MOST_TRIED + 1)]
        for key in keys:
            await firm.add(jwk_of(key, "ES256", "same"))
        for key in keys[:MOST_TRIED]:
            await who(jwt.encode(firm.claims(jti=str(id(key))), key, "ES256", headers={"kid": "same"}))
        assert await refused(jwt.encode(firm.claims(), keys[-1], "ES256", headers={"kid": "same"})) == INVALID

    @pytest.mark.parametrize("name", ["jku", "x5u", "jwk", "x5c"])
    async def test_keys_that_a_token_brings_along_are_not_looked_at(
        self, firm: Oidc, rival: Oidc, refused: Refused, name: str
    ) -> None:
        key = new_key("ES256")
        brought = {
            "jku": rival.jwks_url,
            "x5u": rival.jwks_url,
            "jwk": jwk_of(key, "ES256", "mine"),
            "x5c": [pem_of(key)],
        }
        before = await rival.asked()
        token = jwt.encode(firm.claims(), key, "ES256", headers={"kid": "mine", name: brought[name]})
        assert await refused(token) == INVALID
        assert await rival.asked() == before

    @pytest.mark.parametrize(
        "headers",
        [{"crit": ["exp"], "exp": 1}, {"crit": []}, {"crit": ["b64"], "b64": True}, {"typ": "logout+jwt"}],
        ids=str,
    )
    async def test_what_a_header_demands_and_we_do_not_know_is_refused(
        self, firm: Oidc, refused: Refused, headers: dict[str, Any]
    ) -> None:
        key = new_key("ES256")
        await firm.add(jwk_of(key, "ES256", "mine"))
        head = {"alg": "ES256", "typ": "JWT", "kid": "mine", **headers}
        signed = f"{segment(head)}.{segment(firm.claims())}"
        signature = jwt.algorithms.ECAlgorithm(jwt.algorithms.ECAlgorithm.SHA256).sign(signed.encode(), key)
        assert await refused(f"{signed}.{segment(signature)}") == INVALID

    @pytest.mark.parametrize(
        "token",
        [
            "x" * 7000,
            ".".join(["e30"] * 3),
            "e30.e30",
            "e30..e30",
            ".".join([segment(b"[" * 5000), "e30", "e30"]),
            ".".join(["e30", segment(b'{"a":' * 1000), "e30"]),
            ".".join([segment({"alg": "RS256"}), segment(b"1" * 5000), "e30"]),
            ".".join([segment([]), segment([]), "e30"]),
        ],
        ids=lambda token: token[:12],
    )
    async def test_what_is_no_token_is_refused_without_a_trace(
        self, firm: Oidc, refused: Refused, token: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        assert await refused(token) == INVALID
        assert caplog.records == []

    async def test_more_than_8_kilobytes_are_not_even_read(self, firm: Oidc, refused: Refused, who: Who) -> None:
        await who(await firm.mint(more="x" * 4000))
        assert await refused(await firm.mint(more="x" * 8000)) == INVALID

    async def test_a_changed_claim_breaks_the_signature(self, firm: Oidc, refused: Refused) -> None:
        head, claims, signature = (await firm.mint()).split(".")
        forged = {**json.loads(base64.urlsafe_b64decode(claims + "==")), "parley_kind": "INTERNAL"}
        assert await refused(f"{head}.{segment(forged)}.{signature}") == INVALID


class TestFirms:
    """An issuer speaks for one workspace."""

    async def test_whatever_a_token_names_it_is_of_its_issuers_workspace(
        self, firm: Oidc, who: Who, ledger: Ledger, ada: Person, zoe: Person
    ) -> None:
        token = await firm.mint(
            wid=str(zoe.workspace_id),
            workspace="other",
            workspace_id=str(zoe.workspace_id),
            sid=str(zoe.user_id),
            tenant="other",
            email=zoe.member.email,
            parley_kind="INTERNAL",
        )
        user = await who(token)
        assert user["email"] == "zoe@firm.test"
        found = await ledger.sql('SELECT workspace_id FROM "user" WHERE email_key = %s', "zoe@firm.test")
        assert sorted(found) == sorted([(ada.workspace_id,), (zoe.workspace_id,)])
        assert user["id"] != zoe.id

    async def test_the_name_of_one_signed_by_the_key_of_another_is_refused(
        self, firm: Oidc, rival: Oidc, refused: Refused, who: Who
    ) -> None:
        """Their keys have the same ids."""
        await who(await firm.mint())
        assert await refused(await rival.mint(iss=firm.address)) == INVALID
        assert await refused(await firm.mint(iss=rival.address)) == INVALID
        await who(await rival.mint())

    async def test_the_same_subject_of_two_firms_is_two_people(self, firm: Oidc, rival: Oidc, who: Who) -> None:
        assert (await who(await firm.mint()))["id"] != (await who(await rival.mint()))["id"]

    async def test_our_own_name_is_nobodys(self, firm: Oidc, refused: Refused) -> None:
        assert await refused(await firm.mint(iss="parley")) == INVALID

    async def test_a_name_must_be_the_same_to_the_letter(self, firm: Oidc, refused: Refused) -> None:
        for name in (f"{firm.address}/", firm.address.upper(), f" {firm.address}"):
            assert await refused(await firm.mint(iss=name)) == INVALID


def with_hmac(secret: bytes, algorithm: str, claims: dict[str, Any], kid: str) -> str:
    """As an attacker makes it: PyJWT itself refuses to sign with a public key."""
    signed = f"{segment({'alg': algorithm, 'typ': 'JWT', 'kid': kid})}.{segment(claims)}"
    hashing = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}[algorithm]
    return f"{signed}.{segment(hmac.digest(secret, signed.encode(), hashing))}"
