"""YAML 1.2 as the core schema says, line numbers, limits, and secrets that stay secret."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hub.catalog.document import Document
from hub.catalog.yaml import MAX_ALIASES, MAX_BYTES, MAX_DEPTH, core_scalar, load_yaml, parse_yaml


def parse(text: str, **environment: str) -> Document:
    return parse_yaml(text, Document("file.yaml"), environment, Path("/nowhere"))


def problems(document: Document) -> list[str]:
    return [problem.render() for problem in document.problems]


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("ON", "ON"), ("off", "off"), ("yes", "yes"), ("No", "No"), ("y", "y"),
        ("12:30", "12:30"), ("1:20:30", "1:20:30"), ("2001-12-14", "2001-12-14"), ("1_000", "1_000"),
        ("0777", 777), ("0o777", 511), ("0x1F", 31), ("-12", -12), ("+5", 5), ("0b11", "0b11"), ("-0x1F", "-0x1F"),
        ("1.5", 1.5), ("1e3", 1000.0), (".5", 0.5), ("-1.", -1.0), ("1.2.3", "1.2.3"), ("1e", "1e"),
        ("true", True), ("FALSE", False), ("tRUE", "tRUE"), ("null", None), ("~", None), ("", None), ("nil", "nil"),
        ("=", "="), ("<<", "<<"), ("127.0.0.1", "127.0.0.1"), ("粤B12345", "粤B12345"),
    ],
)  # fmt: skip
def test_a_plain_scalar_is_what_yaml_1_2_says(text: str, value: Any) -> None:
    document = parse(f"key: {text}\n")
    assert document.problems == []
    assert document.data == {"key": value}
    assert type(document.data["key"]) is type(value)


def test_a_yaml_1_1_directive_does_not_bring_back_the_old_words() -> None:
    assert parse("%YAML 1.1\n---\na: ON\nb: 12:30\nc: 0777\n").data == {"a": "ON", "b": "12:30", "c": 777}


@pytest.mark.parametrize("text", ["'0777'", '"true"', "'~'", "|-\n  5"])
def test_what_is_quoted_is_text(text: str) -> None:
    assert isinstance(parse(f"key: {text}\n").data["key"], str)


def test_keys_are_text_as_written() -> None:
    assert parse("0: a\ntrue: b\n~: c\n0x1: d\n").data == {"0": "a", "true": "b", "~": "c", "0x1": "d"}


def test_every_key_and_element_knows_its_line() -> None:
    document = parse("a:\n  b: 1\n  c:\n    - x\n    - {d: 2,\n       e: 3}\n")
    assert document.lines[("a", "b")] == 2
    assert document.lines[("a", "c", 0)] == 4
    assert document.lines[("a", "c", 1, "d")] == 5
    assert document.lines[("a", "c", 1, "e")] == 6
    assert document.locate(("a", "c", 1, "missing")) == ("file.yaml", 5, "a.c[1].missing")


def test_an_alias_is_the_value_it_names() -> None:
    assert parse("a: &x {b: 1}\nc: *x\n").data == {"a": {"b": 1}, "c": {"b": 1}}


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("a: 1\nb: 2\na: 3\n", "file.yaml:3: a: found the key 'a' again, expected each key once (first on line 1)"),
        ("0: a\n'0': b\n", "file.yaml:2: 0: found the key '0' again, expected each key once (first on line 1)"),
        ("? [x]\n: 1\n", "file.yaml:1: a key must be plain text"),
        ("a: &a [*a]\n", "file.yaml:1: a[0]: found *a, expected an anchor that was finished before it is used"),
        ("a: !!python/object:os.system x\n", "file.yaml:1: found the tag tag:yaml.org,2002:python/object:os.system, "
         "expected no tag but `!env NAME [default]` and `!file path`"),
        ("a: !env [X]\n", "file.yaml:1: found the tag !env, "
         "expected no tag but `!env NAME [default]` and `!file path`"),
        ("a: 1e999\n", "file.yaml:1: a: found '1e999', expected a number within range"),
        ("a: .nan\n", "file.yaml:1: a: found '.nan', expected a finite number (put it in quotes if text is meant)"),
    ],
)  # fmt: skip
def test_what_is_refused(text: str, problem: str) -> None:
    assert problems(parse(text)) == [problem]


def test_depth_is_bounded_exactly() -> None:
    assert parse("[" * MAX_DEPTH + "]" * MAX_DEPTH).problems == []
    assert "deeper than 30" in problems(parse("[" * (MAX_DEPTH + 1) + "]" * (MAX_DEPTH + 1)))[0]
    assert "deeper than 30" in problems(parse("[" * 100_000))[0]


def test_aliases_are_bounded_in_number_and_in_what_they_become() -> None:
    many = "a: &a 1\nb: [" + ", ".join(["*a"] * MAX_ALIASES) + "]\n"
    assert parse(many).problems == []
    assert "aliases" in problems(parse(many.replace("]", ", *a]")))[0]
    laughs = "a: &a [" + ",".join("x" * 100) + "]\n"
    for before, now in zip("abcd", "bcde", strict=True):
        laughs += f"{now}: &{now} [" + ",".join([f"*{before}"] * 100) + "]\n"
    assert "more than 1000000 values" in problems(parse(laughs))[0]


def test_size_and_encoding_are_checked_before_parsing(tmp_path: Path) -> None:
    file = tmp_path / "big.yaml"
    file.write_bytes(b"#" * (MAX_BYTES + 1))
    assert "over the limit" in problems(load_yaml(file, {}))[0]
    file.write_bytes(b"#" * MAX_BYTES)
    assert load_yaml(file, {}).problems == []
    file.write_bytes(b"a: 1\nb: \xff\n")
    assert problems(load_yaml(file, {}, "big.yaml")) == ["big.yaml:2: the file is not UTF-8 (byte 8)"]
    assert "cannot be read" in problems(load_yaml(tmp_path / "none.yaml", {}))[0]


def test_env_takes_the_variable_else_the_default() -> None:
    text = "a: !env HUB_A\nb: !env HUB_B two words\nc: !env HUB_A other\n"
    document = parse(text, HUB_A="given")
    assert document.data == {"a": "given", "b": "two words", "c": "given"}
    assert document.problems == []


def test_a_missing_variable_is_named_with_its_line() -> None:
    assert problems(parse("x: 1\na: !env HUB_A\n")) == [
        "file.yaml:2: a: found !env HUB_A, "
        "expected the environment variable HUB_A to be set, or a default after its name"
    ]


def test_file_takes_the_text_beside_the_document(tmp_path: Path) -> None:
    (tmp_path / "broker.password").write_text("s3cret-word\n")
    (tmp_path / "site.yaml").write_text("password: !file broker.password\nother: !file none\n")
    document = load_yaml(tmp_path / "site.yaml", {}, "site.yaml")
    assert document.data["password"] == "s3cret-word"
    assert problems(document) == [
        "site.yaml:2: other: found !file none, expected a readable file (No such file or directory)"
    ]


def test_what_a_reference_gave_is_never_shown() -> None:
    document = parse("a: !env HUB_A\n", HUB_A="s3cret-word")
    document.report(("a",), "anything but s3cret-word", suggestion="s3cret-word2")
    (line,) = problems(document)
    assert "s3cret" not in line
    assert "!env HUB_A" in line


def test_a_plain_password_is_masked_too() -> None:
    document = parse("buses: {broker: {password: hunter2}}\n")
    document.report(("buses", "broker", "password"), "something else")
    assert "hunter2" not in problems(document)[0]


@given(st.text(max_size=300))
def test_any_text_gives_data_or_problems(text: str) -> None:
    document = parse(text)
    assert (
        document.data is None or document.problems == [] or isinstance(document.data, dict | list | str | int | float)
    )


@given(st.text(alphabet="abc:-?[]{}&*!|>'\"%@` \n#,\t0~\\x", max_size=80))
def test_any_yaml_like_text_gives_data_or_problems(text: str) -> None:
    parse(text)


@given(st.one_of(st.integers(), st.floats(allow_nan=False, allow_infinity=False)))
def test_numbers_come_back_as_they_were(number: float) -> None:
    assert core_scalar(repr(number)) == number
