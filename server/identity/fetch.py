"""A JWK set from where an issuer publishes it."""

import asyncio

import httpx

from resolvers.issuer import is_safe

SECONDS = 5.0  # from the first name looked up to the last byte
LARGEST = 256 * 1024  # bytes


class Unfetched(Exception):
    """It could not be had; the text says why, in our own words."""


async def fetch(url: str, *, insecure: bool = False) -> bytes:
    """
    Raises:
        Unfetched.
    """
    if not is_safe(url, insecure=insecure):
        raise Unfetched("its address is not https://")
    try:
        async with asyncio.timeout(SECONDS), httpx.AsyncClient(timeout=SECONDS, follow_redirects=False) as client:
            # Not compressed: a few bytes could become any number.
            headers = {"accept": "application/jwk-set+json, application/json", "accept-encoding": "identity"}
            async with client.stream("GET", url, headers=headers) as answer:
                if answer.status_code != httpx.codes.OK:
                    raise Unfetched(f"it answers {answer.status_code}")
                return await _body(answer)
    except TimeoutError:
        raise Unfetched(f"it has not answered within {SECONDS:g} seconds") from None
    except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError) as error:
        raise Unfetched(type(error).__name__) from None


async def _body(answer: httpx.Response) -> bytes:
    found = bytearray()
    async for piece in answer.aiter_raw():
        found += piece
        if len(found) > LARGEST:
            raise Unfetched(f"its answer is larger than {LARGEST:,} bytes")
    return bytes(found)
