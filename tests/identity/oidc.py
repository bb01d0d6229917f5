"""A real small OIDC issuer, in a process of its own: `python -m tests.identity.oidc PORT`.

It publishes its configuration and its keys, mints what it is asked for, and behaves as badly as it is told to.
"""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, ClassVar

import httpx
import jwt
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.asymmetric.rsa import generate_private_key as generate_rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from tests.running import free_port

AUDIENCE = "parley"
ALGORITHMS = ("RS256", "ES256", "EdDSA")


def new_key(algorithm: str) -> Any:
    match algorithm[:2]:
        case "RS" | "PS":
            return generate_rsa(65537, 2048)
        case "ES":
            return generate_private_key(SECP256R1())
    return Ed25519PrivateKey.generate()


def jwk_of(private: Any, algorithm: str, kid: str | None) -> dict[str, Any]:
    maker: Any = {"RS": RSAAlgorithm, "PS": RSAAlgorithm, "ES": ECAlgorithm}.get(algorithm[:2], OKPAlgorithm)
    made: dict[str, Any] = maker.to_jwk(private.public_key(), as_dict=True)
    made.pop("key_ops", None)
    return {**made, "use": "sig", **({} if kid is None else {"kid": kid})}


def pem_of(private: Any) -> str:
    pem: bytes = private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return pem.decode()


class State:
    def __init__(self, address: str) -> None:
        self.address = address
        self.first = {f"{algorithm}-1": (algorithm, new_key(algorithm)) for algorithm in ALGORITHMS}
        self.more: list[dict[str, Any]] = []
        self.begin_anew()

    def begin_anew(self) -> None:
        self.keys = dict(self.first)
        self.mode = "well"
        self.asked = 0
        self.more = []
        self.go_on = threading.Event()


class Handler(BaseHTTPRequestHandler):
    state: ClassVar[State]

    def do_GET(self) -> None:
        state = self.state
        if self.path == "/.well-known/openid-configuration":
            found = {"issuer": state.address, "jwks_uri": f"{state.address}/jwks"}
            self._answer(200, json.dumps(found).encode())
        elif self.path == "/jwks":
            state.asked += 1
            self._publish(state.mode)
        elif self.path == "/asked":
            self._answer(200, json.dumps(state.asked).encode())
        else:
            self._answer(404, b"")

    def do_POST(self) -> None:
        asked = json.loads(self.rfile.read(int(self.headers["content-length"])) or b"{}")
        state, answer = self.state, b"{}"
        match self.path:
            case "/mint":
                algorithm, key = state.keys[asked["kid"]]
                headers = {"typ": "JWT", "kid": asked["kid"], **asked["headers"]}
                # Whatever the claims are: jwt.encode has its own opinion of them.
                answer = jwt.PyJWS().encode(json.dumps(asked["claims"]).encode(), key, algorithm, headers).encode()
            case "/rotate":
                algorithm = asked["algorithm"]
                if not asked["keep"]:
                    state.keys.clear()
                state.keys[asked["kid"]] = (algorithm, new_key(algorithm))
            case "/add":
                state.more.append(asked)
            case "/behave":
                state.mode = asked["mode"]
                if state.mode == "well":
                    state.go_on.set()
            case "/begin-anew":
                state.go_on.set()
                state.begin_anew()
        self._answer(200, answer)

    def _publish(self, mode: str) -> None:
        keys = [jwk_of(key, algorithm, kid) for kid, (algorithm, key) in self.state.keys.items()]
        body = json.dumps({"keys": [*keys, *self.state.more]}).encode()
        match mode:
            case "slowly":
                self.state.go_on.wait(60)
                self._answer(200, body)
            case "garbage":
                self._answer(200, b"\xff<html>" * 100)
            case "no keys":
                self._answer(200, b'{"keys": "none"}')
            case "only what was added":
                self._answer(200, json.dumps({"keys": self.state.more}).encode())
            case "nested":
                self._answer(200, b"[" * 100_000)
            case "huge":
                self._answer(200, b" " * 2_000_000 + body)
            case "broken":
                self._answer(500, body)
            case "elsewhere":
                self.send_response(302)
                self.send_header("location", f"{self.state.address}/well")
                self.end_headers()
            case _:
                self._answer(200, body)

    def _answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        try:
            self.wfile.write(body)
        except OSError:
            self.close_connection = True

    def log_message(self, format: str, *arguments: Any) -> None:
        """Nothing."""


class Oidc:
    """The same from a test."""

    def __init__(self, address: str, process: "subprocess.Popen[bytes]") -> None:
        self.address = address
        self.process = process

    @property
    def jwks_url(self) -> str:
        return f"{self.address}/jwks"

    def claims(self, person: str = "cleo", /, **more: Any) -> dict[str, Any]:
        """What it says of somebody whom Parley doesn't know yet, for five minutes; None takes a claim away."""
        now = int(time.time())
        usual = {
            "iss": self.address,
            "aud": AUDIENCE,
            "sub": f"subject of {person}",
            "email": f"{person}@portal.test",
            "email_verified": True,
            "name": f"{person.title()} of the portal",
            "iat": now,
            "exp": now + 300,
        }
        return {claim: value for claim, value in {**usual, **more}.items() if value is not None}

    async def mint(
        self, person: str = "cleo", /, *, kid: str = "ES256-1", headers: dict[str, Any] | None = None, **more: Any
    ) -> str:
        return (await self._say("/mint", kid=kid, headers=headers or {}, claims=self.claims(person, **more))).text

    async def rotate(self, kid: str, algorithm: str = "ES256", *, keep: bool = True) -> None:
        """Make another key, beside the others or in their place."""
        await self._say("/rotate", kid=kid, algorithm=algorithm, keep=keep)

    async def add(self, jwk: dict[str, Any]) -> None:
        """Publish somebody else's key too."""
        await self._say("/add", **jwk)

    async def behave(self, mode: str) -> None:
        await self._say("/behave", mode=mode)

    async def begin_anew(self) -> None:
        await self._say("/begin-anew")

    async def asked(self) -> int:
        """How often it was asked for its keys."""
        async with httpx.AsyncClient() as client:
            return int((await client.get(f"{self.address}/asked")).text)

    async def _say(self, path: str, **what: Any) -> httpx.Response:
        async with httpx.AsyncClient(timeout=30) as client:
            # Not by httpx, which writes no numbers and characters that JSON shouldn't have.
            return (await client.post(f"{self.address}{path}", content=json.dumps(what))).raise_for_status()


@contextmanager
def issuing(folder: Path) -> Iterator[Oidc]:
    """Until the block ends."""
    port = free_port()
    address = f"http://127.0.0.1:{port}"
    with (folder / f"oidc-{port}.log").open("wb") as log:
        process = subprocess.Popen([sys.executable, "-m", "tests.identity.oidc", str(port)], stdout=log, stderr=log)
    try:
        deadline = time.monotonic() + 60
        while True:
            assert process.poll() is None, "the issuer has ended"
            try:
                httpx.get(f"{address}/.well-known/openid-configuration")
                break
            except httpx.TransportError:
                assert time.monotonic() < deadline, "the issuer does not answer"
                time.sleep(0.02)
        yield Oidc(address, process)
    finally:
        process.kill()
        process.wait()


def main(port: int) -> None:
    Handler.state = State(f"http://127.0.0.1:{port}")
    ThreadingHTTPServer(("127.0.0.1", port), Handler).serve_forever()


if __name__ == "__main__":
    main(int(sys.argv[1]))
