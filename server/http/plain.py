"""Small JSON answers outside GraphQL."""

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from server.graphql.payload import encode


def json_response(status_code: int, /, **members: object) -> Response:
    return Response(encode(members), status_code, media_type="application/json")


def http_error(request: Request, error: Exception) -> Response:
    """Answer what the router refuses (404, 405)."""
    assert isinstance(error, HTTPException)
    response = json_response(error.status_code, error=error.detail)
    response.headers.update(error.headers or {})
    return response
