import pytest
from graphql import build_schema, get_introspection_query

from server.graphql.document import Documents, Invalid
from server.graphql.limits import Limits
from tests.http.toy import SCHEMA

PUBLIC = frozenset({"signIn", "refresh"})


@pytest.fixture
def documents() -> Documents:
    return Documents(SCHEMA)


def refusal(documents: Documents, text: str) -> str:
    with pytest.raises(Invalid) as refused:
        documents.get(text)
    return refused.value.code


def test_a_document_is_read_once(documents: Documents) -> None:
    assert documents.get("{ hello }") is documents.get("{ hello }")
    assert documents.get("{ hello }") is not documents.get("{  hello }")


def test_the_least_recently_used_document_gives_way() -> None:
    documents = Documents(SCHEMA, most=2)
    first, second = documents.get("query A { hello }"), documents.get("query B { hello }")
    documents.get("query A { hello }")
    documents.get("query C { hello }")
    assert documents.get("query A { hello }") is first
    assert documents.get("query B { hello }") is not second


def test_a_flood_of_large_documents_stays_within_the_bytes() -> None:
    documents = Documents(SCHEMA, most_bytes=1_000_000)
    for number in range(30):
        documents.get(f'{{ hello(name: "{number}{"x" * 100_000}") }}')
    assert 0 < documents.bytes <= 1_000_000
    assert len(documents) == 9


def test_a_document_larger_than_all_the_room_is_served_and_not_kept() -> None:
    documents = Documents(SCHEMA, most_bytes=1_000)
    assert documents.get("{ hello }").operation(None).fields == {"hello"}
    assert (len(documents), documents.bytes) == (0, 0)


def test_invalid_documents_take_no_room(documents: Documents) -> None:
    assert refusal(documents, "{ nonsense }") == "GRAPHQL_VALIDATION_FAILED"
    assert refusal(documents, "{ hello") == "GRAPHQL_PARSE_FAILED"
    assert len(documents) == 0


def test_facts_see_through_fragments(documents: Documents) -> None:
    operation = documents.get("""
        query Named { ...A ... on Query { aliased: hello } }
        fragment A on Query { leaf { ...B } ...C }
        fragment B on Leaf { leaf { leaf { eventCursor } } }
        fragment C on Query { leaf { name } }
    """).operation("Named")
    assert operation.root_fields == {"hello", "leaf"}
    assert operation.selects("eventCursor")
    assert operation.selects("hello")
    assert not operation.selects("aliased")
    assert not operation.selects("forbidden")


def test_each_operation_has_its_own_facts(documents: Documents) -> None:
    document = documents.get("query A { hello } query B { leaf { eventCursor } }")
    assert not document.operation("A").selects("eventCursor")
    assert document.operation("B").selects("eventCursor")


@pytest.mark.parametrize("name", [None, "C", "", "x" * 1_000])
def test_an_operation_that_can_not_be_determined(documents: Documents, name: str | None) -> None:
    with pytest.raises(Invalid) as refused:
        documents.get("query A { hello } query B { hello }").operation(name)
    assert refused.value.code == "BAD_USER_INPUT"


@pytest.mark.parametrize(
    ("text", "public"),
    [
        ("mutation { signIn }", True),
        ("mutation { signIn refresh __typename }", True),
        ("mutation { ...F } fragment F on Mutation { ... on Mutation { again: signIn } }", True),
        ("mutation { signIn send }", False),
        ("mutation { signIn: send }", False),
        ("mutation { signIn ...F } fragment F on Mutation { send @skip(if: true) }", False),
        ("mutation { __typename }", False),
        ("mutation { }", False),
        ("{ hello }", False),
    ],
)
def test_which_operations_need_no_token(documents: Documents, text: str, public: bool) -> None:
    assert documents.get(text).operation(None).selects_only(PUBLIC) is public


def leaves(depth: int) -> str:
    return "{ leaf" * depth + "{ name }" + "}" * depth


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (leaves(20), "levels of nesting"),
        ("{ leaf { ...A } } fragment A on Leaf " + leaves(19), "levels of nesting"),
        (leaves(500), "nested too deeply"),
        ("{" + " a: hello" * 3_000 + "}", "tokens"),
        ("{ hello }" + "#\n" * 1_001, "comments"),
        ('{ hello(name: "' + "x" * 300_000 + '") }', "code points"),
        ("{" + " ".join(f"a{n}: hello" for n in range(31)) + "}", "root fields"),
        ("{ leaf {" + " ".join(f"a{n}: name" for n in range(101)) + "} }", "aliases"),
        (
            "{ leaf { ...F0 } }"
            + "".join(f"fragment F{n} on Leaf {{ ...F{n + 1} ...F{n + 1} }}" for n in range(60))
            + "fragment F60 on Leaf { name }",
            "fields",
        ),
        (
            "{ leaf { ...F0 } }"
            + "".join(f"fragment F{n} on Leaf {{ ...F{n + 1} }}" for n in range(300))
            + "fragment F300 on Leaf { name }",
            "nested too deeply",
        ),
        ("{ leaf {" + " name" * 2_900 + "} }", "too complex"),
        ("{ leaf {" + " leaf { leaf { name } }" * 350 + "} }", "too complex"),
    ],
)
def test_a_document_that_is_too_large(documents: Documents, text: str, reason: str) -> None:
    with pytest.raises(Invalid) as refused:
        documents.get(text)
    assert refused.value.code == "QUERY_TOO_COMPLEX"
    assert reason in refused.value.errors[0].message


def test_just_below_the_limits(documents: Documents) -> None:
    documents.get(leaves(19))
    documents.get("{" + " ".join(f"a{n}: hello" for n in range(30)) + "}")
    documents.get("{ leaf {" + " ".join(f"a{n}: name" for n in range(100)) + "} }")


def test_limits_can_be_set() -> None:
    documents = Documents(SCHEMA, limits=Limits(depth=2))
    documents.get("{ leaf { name } }")
    assert refusal(documents, "{ leaf { leaf { name } } }") == "QUERY_TOO_COMPLEX"


def test_circular_and_unknown_fragments_are_invalid(documents: Documents) -> None:
    circle = "{ leaf { ...A } } fragment A on Leaf { leaf { ...B } } fragment B on Leaf { ...A }"
    assert refusal(documents, circle) == "GRAPHQL_VALIDATION_FAILED"
    assert refusal(documents, "{ leaf { ...Missing } }") == "GRAPHQL_VALIDATION_FAILED"


def test_the_explorers_introspection_passes(documents: Documents) -> None:
    text = get_introspection_query(
        specified_by_url=True,
        directive_is_repeatable=True,
        schema_description=True,
        input_value_deprecation=True,
    )
    assert documents.get(text).operation(None).root_fields == {"__schema"}


def test_without_introspection_nothing_is_told_of_the_schema() -> None:
    documents = Documents(SCHEMA, introspection=False)
    documents.get("{ __typename hello }")
    for text in ("{ __schema { queryType { name } } }", '{ __type(name: "Leaf") { name } }'):
        assert refusal(documents, text) == "GRAPHQL_VALIDATION_FAILED"
    with pytest.raises(Invalid) as refused:
        documents.get("{ hell }")
    assert "Did you mean" not in refused.value.errors[0].message


def test_strawberrys_own_rules_hold(documents: Documents) -> None:
    documents.get('{ either(value: {left: "x"}) }')
    with pytest.raises(Invalid) as refused:
        documents.get('{ either(value: {left: "x", right: null}) }')
    assert any("OneOf" in error.message for error in refused.value.errors)


def test_a_type_definition_is_not_executable() -> None:
    documents = Documents(build_schema("type Query { a: Int }"))
    assert refusal(documents, "{ a } type B { a: Int }") == "GRAPHQL_VALIDATION_FAILED"
