"""The pipeline language: reading, printing, and what it refuses."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from noema.errors import InvalidOption
from noema.passes.pipeline_spec import NestedSpec, PassSpec, Pipeline, parse_pipeline

_WORD = st.text("abcxyzABC019_.-:/+*", min_size=1, max_size=8)
_VALUE = st.one_of(st.text(max_size=8), st.lists(st.text(max_size=8), max_size=3).map(tuple))
_PASS = st.builds(
    PassSpec,
    _WORD,
    st.dictionaries(_WORD, _VALUE, max_size=3).map(lambda d: tuple(d.items())),
)
_PIPELINE = st.recursive(
    st.lists(_PASS, max_size=3).map(lambda items: Pipeline(tuple(items))),
    lambda inner: st.lists(st.one_of(_PASS, st.builds(NestedSpec, _WORD, inner)), max_size=3).map(
        lambda items: Pipeline(tuple(items))
    ),
    max_leaves=8,
)


def test_reads_passes_options_lists_and_nesting() -> None:
    pipeline = parse_pipeline(
        'raise, fuse{limit=3 kinds=[relu,gelu] fast name="a, \\"b\\""},func.func(cse,x(y))'
    )
    assert pipeline == Pipeline(
        (
            PassSpec("raise"),
            PassSpec(
                "fuse",
                (
                    ("limit", "3"),
                    ("kinds", ("relu", "gelu")),
                    ("fast", "true"),
                    ("name", 'a, "b"'),
                ),
            ),
            NestedSpec(
                "func.func",
                Pipeline((PassSpec("cse"), NestedSpec("x", Pipeline((PassSpec("y"),))))),
            ),
        )
    )


# A busy machine draws slowly, which says nothing about the parser.
@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(_PIPELINE)
def test_printing_and_reading_are_inverse(pipeline: Pipeline) -> None:
    assert parse_pipeline(str(pipeline)) == pipeline


@given(st.text('ab,{}()[]=" \\\n', max_size=20))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        pipeline = parse_pipeline(text)
    except InvalidOption:
        return
    assert parse_pipeline(str(pipeline)) == pipeline


@pytest.mark.parametrize("text", ["", "  ", "\n"])
def test_nothing_is_the_empty_pipeline(text: str) -> None:
    assert parse_pipeline(text) == Pipeline()


@pytest.mark.parametrize(
    ("text", "problem", "column"),
    [
        ("raise,", "expected a pass name, found the end", 6),
        (",raise", "expected a pass name, found ','", 0),
        ("raise cse", "expected ',' or the end, found 'cse'", 6),
        ("fuse{", "expected an option of fuse or '}', found the end", 5),
        ("fuse{a=}", "expected a value, found '}'", 7),
        ("fuse{a=[1,]}", "expected a value, found ']'", 10),
        ("fuse{a=[1}", "expected ',' or ']', found '}'", 9),
        ("fuse{a=1 a=2}", "option 'a' of fuse is given twice", 9),
        ("func.func(cse", "expected ',' or ')', found the end", 13),
        ("cse)", "expected ',' or the end, found ')'", 3),
        ('fuse{a="x}', "unterminated string", 7),
    ],
)
def test_a_refusal_shows_the_place(text: str, problem: str, column: int) -> None:
    with pytest.raises(InvalidOption) as caught:
        parse_pipeline(text)
    first, shown, caret = caught.value.message.split("\n")
    assert first == f"pass pipeline: {problem}"
    assert shown == f"  {text}"
    assert caret.index("^") - 2 == column


def test_deep_nesting_is_refused_not_a_crash() -> None:
    with pytest.raises(InvalidOption, match="nested deeper"):
        parse_pipeline("a(" * 10_000)
