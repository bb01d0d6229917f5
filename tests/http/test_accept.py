import pytest

from server.http.accept import GRAPHQL, JSON, media_type, takes_gzip


@pytest.mark.parametrize(
    ("accept", "media"),
    [
        (None, JSON),
        ("", JSON),
        ("*/*", JSON),
        ("application/*", JSON),
        ("application/json", JSON),
        ("application/graphql-response+json", GRAPHQL),
        ("Application/GraphQL-Response+JSON; Charset=UTF-8", GRAPHQL),
        ("application/graphql-response+json, application/json;q=0.9", GRAPHQL),
        ("application/json;q=0.9, application/graphql-response+json", GRAPHQL),
        ("application/json, application/graphql-response+json", JSON),
        ("application/graphql-response+json, application/json", GRAPHQL),
        ("application/graphql-response+json, */*", GRAPHQL),
        ("application/graphql-response+json;q=0.1, */*;q=0.2", JSON),
        ("text/html, */*;q=0.8", JSON),
        ("application/json;q=0, */*", GRAPHQL),
        ("application/json;q=0, application/graphql-response+json;q=0, */*", None),
        ("text/html", None),
        ("text/*", None),
        ("application/json;q=0", None),
        ("application/json;q=nan", None),
        ("application/json; charset=iso-8859-1", None),
        (",;=,,", None),
        ("application/json," * 1_000, JSON),
    ],
)
def test_the_media_type_is_negotiated(accept: str | None, media: str | None) -> None:
    assert media_type(accept) == media


@pytest.mark.parametrize(
    ("accept_encoding", "takes"),
    [
        (None, False),
        ("", False),
        ("gzip", True),
        ("GZIP", True),
        ("x-gzip", True),
        ("br, gzip;q=0.5", True),
        ("deflate, gzip;q=1.0, *;q=0.5", True),
        ("*", True),
        ("*;q=0", False),
        ("identity;q=0, *", True),
        ("gzip;q=0", False),
        ("gzip; q=0.000", False),
        ("gzip;q=0, *", False),
        ("br", False),
        ("identity", False),
        ("gzip;q=0.5, identity", False),
        ("gzip, identity", True),
        ("gzip;q=nan", False),
        ("notgzip", False),
    ],
)
def test_gzip_is_negotiated(accept_encoding: str | None, takes: bool) -> None:
    assert takes_gzip(accept_encoding) is takes
