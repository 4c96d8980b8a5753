"""Rule files under `rules/*.yaml` of the configuration folders: read, checked against the kinds, refused as one."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from textwrap import dedent

from hub.catalog.document import Document
from hub.catalog.problems import Key, Problem, closest, one_of
from hub.catalog.sources import find_files, read_document
from hub.catalog.validate import validate
from hub.rulebook.model import digest, normal
from hub.vocabulary.kinds import EventSpec, KindSpec
from rules.binding import names_around, names_of
from rules.examples import example_kind, run_examples
from rules.expressions import ExpressionError, compile_expression
from rules.model import Example, ExampleStep, Pack, Part, Rule, RuleFile
from rules.terms import Mention
from rules.wider import ExpressionCondition, Weather

PATTERN = "rules/*.yaml"


@dataclass(frozen=True)
class Placed:
    """A rule and where it stands."""

    rule: Rule
    document: Document
    at: Key
    pack: Pack | None = None


def load_rules(
    roots: Sequence[Path], kinds: Mapping[str, KindSpec], *, examples: bool = False
) -> tuple[list[Rule], list[Problem]]:
    """All rules under `roots` and all that is wrong with them; a later root's file replaces one of the same path.

    `examples` runs them too. The rules are fit for use only where there is no problem. Files hold no secrets, so
    `!env` and `!file` find nothing here.
    """
    documents, placed = [], []
    for path in find_files(roots, PATTERN).values():
        document = read_document(path, {})
        documents.append(document)
        placed += said_by(document, path)
    _packs(placed, kinds)
    seen: dict[str, Placed] = {}
    for one in placed:
        first = seen.setdefault(one.rule.rule, one)
        if first is not one:
            where = f"{first.document.file}:{first.document.locate((*first.at, 'rule'))[1]}"
            one.document.report((*one.at, "rule"), f"an id no other rule has (first in {where})", sort="duplicate")
        if _fits(one, kinds) and examples:
            _examples(one, kinds)
    return [one.rule for one in placed], [problem for document in documents for problem in document.problems]


def said_by(document: Document, path: Path) -> list[Placed]:
    """The rules of a file, each with where it comes from."""
    placed = list(_rules(document))
    lines = path.read_text("utf-8-sig").splitlines() if placed else []
    for one, following in zip_longest(placed, placed[1:]):
        one.rule.made_of(digest(own_text(one, following, lines)), one.pack)
    return placed


def _packs(placed: Sequence[Placed], kinds: Mapping[str, KindSpec]) -> None:
    """Each name once, and the kinds it requires are those its rules know."""
    seen: dict[str, Placed] = {}
    for one in placed:
        if one.pack is None or one.at != ("rules", 0):
            continue
        first = seen.setdefault(one.pack.name, one)
        if first is not one:
            expected = f"a name no other pack has (first in {first.document.file})"
            one.document.report(("pack", "name"), expected, sort="duplicate")
        if one.pack.requires == "all":
            continue
        for index, name in enumerate(one.pack.requires):
            if name not in kinds:
                suggestion = closest(name, kinds)
                one.document.report(
                    ("pack", "requires", index), "a kind of kinds.yaml", suggestion=suggestion, sort="reference"
                )  # fmt: skip
        mine = [each.rule for each in placed if each.document is one.document]
        missing = sorted({kind for rule in mine for kind in _kinds_of(rule)} - {*one.pack.requires})
        if missing:
            one.document.report(("pack", "requires"), f"its rules know these, too: {', '.join(missing)}")


def _kinds_of(rule: Rule) -> list[str]:
    named = ["all"] if rule.when.kinds == "all" else rule.when.kinds
    return [*named, *(name for _, names in _other_kinds(rule) for name in names)]


def own_text(one: Placed, following: Placed | None, lines: Sequence[str]) -> str:
    """The lines of one rule, as a document of its own."""
    if not one.at:
        return normal("\n".join(line for line in lines if not line.startswith("# yaml-language-server")))
    first = line_of(one) - 1
    if not lines[first].lstrip().startswith("- "):  # in braces: where its lines end, others may begin
        return normal(json.dumps(one.document.data["rules"][one.at[1]], ensure_ascii=False, indent=2, default=str))
    last = line_of(following) - 1 if following is not None else len(lines)
    own = list(lines[first:last])
    while own and (not own[-1].strip() or own[-1].lstrip().startswith("#")):
        own.pop()
    own[0] = own[0].replace("- ", "  ", 1)
    return normal(dedent("\n".join(own)))


def line_of(one: Placed) -> int:
    """Where it begins in its file, from 1."""
    return one.document.locate(one.at)[1]


def _rules(document: Document) -> Iterator[Placed]:
    if isinstance(document.data, dict) and "rules" in document.data:
        file = validate(document, RuleFile)
        for index, rule in enumerate(file.rules if file is not None else ()):
            yield Placed(rule, document, ("rules", index), file.pack if file is not None else None)
    else:
        single = validate(document, Rule)
        if single is not None:
            yield Placed(single, document, ())


def _fits(one: Placed, kinds: Mapping[str, KindSpec]) -> bool:
    """Whether every kind, point, event, field and state word exists; what does not is reported."""
    before = len(one.document.problems)
    named = [] if one.rule.when.kinds == "all" else one.rule.when.kinds
    for index, kind in enumerate(named):
        if kind not in kinds:
            _unknown(one, ("when", "kinds", index), kind, kinds, "a kind of kinds.yaml")
        else:
            _condition(one, kind, kinds)
    _elsewhere(one, kinds)
    if len(one.document.problems) == before:
        for index, example in enumerate(one.rule.examples):
            _example(one, index, example, kinds)
    return len(one.document.problems) == before


def _unknown(one: Placed, path: Key, word: str, words: Iterable[str], what: str) -> None:
    words = list(words)
    expected = f"{what}: {one_of(words)}"
    one.document.report((*one.at, *path), expected, suggestion=closest(word, words), sort="reference")


def _condition(one: Placed, kind_name: str, kinds: Mapping[str, KindSpec]) -> None:
    """What the rule needs of one of the kinds it watches."""
    rule, kind = one.rule, kinds[kind_name]
    for mention in rule.mentions():
        if mention.kinds is None:
            _mention(one, mention, kind_name, kind)
    if rule.command is not None and not kind.commands:
        one.document.report((*one.at, "command"), f"no command: {kind_name} takes none", found=rule.command.name)
    elif rule.command is not None and rule.command.name not in kind.commands:
        _unknown(one, ("command", "name"), rule.command.name, kind.commands, f"a command of {kind_name}")
    for index, part in enumerate(rule.any_of or rule.all_of or ()):
        if part.expression is not None:
            several = "any_of" if rule.any_of is not None else "all_of"
            _expression(one, (several, index, "expression"), part.expression, kind, kinds)
    if rule.expression is not None:
        _expression(one, ("expression",), rule.expression, kind, kinds)


def _mention(one: Placed, mention: Mention, kind_name: str, kind: KindSpec) -> None:
    if mention.sort == "event":
        event = kind.events.get(mention.name)
        if event is None:
            _unknown(one, mention.path, mention.name, kind.events, f"an event of {kind_name}")
        else:
            _data(one, (*mention.path[:-1], "where"), event, mention.where)
    elif mention.sort == "point":
        point = kind.points.get(mention.name)
        at = mention.path[:-1]
        if point is None:
            _unknown(one, mention.path, mention.name, kind.points, f"a point of {kind_name}")
        elif mention.ordered and point.type == "state":
            one.document.report((*one.at, *at), "`equals` with a state word: the point is a state", found="")
        for level in mention.levels if point is not None else ():
            _level(one, (*at, "equals"), kind, mention.name, level)


def _expression(
    one: Placed, path: Key, term: ExpressionCondition, kind: KindSpec, kinds: Mapping[str, KindSpec]
) -> None:
    if any(name not in kinds for other in term.others.values() for name in other.kinds):
        return  # which is told where other devices are looked at
    field, text = term.written
    try:
        compiled = compile_expression(text, {**names_of(kind), **names_around(term.others, kinds)})
    except ExpressionError as error:
        one.document.report((*one.at, *path, field), str(error))
        return
    if field == "when" and compiled.kind not in ("boolean", "any"):
        one.document.report((*one.at, *path, field), "an expression that is true or false")
    if field == "value" and compiled.kind != "number":
        one.document.report((*one.at, *path, field), "an expression that is a number")
    for word in term.others:
        if not any(name.startswith(f"{word}.") for name in compiled.names):
            one.document.report((*one.at, *path, "others", word), f"a word the expression uses: {word}.…", found=word)


def _elsewhere(one: Placed, kinds: Mapping[str, KindSpec]) -> None:
    """What the rule needs of other devices."""
    for path, names in _other_kinds(one.rule):
        for name in names:
            if name not in kinds:
                _unknown(one, path, name, kinds, "a kind of kinds.yaml")
    for mention in one.rule.mentions():
        for name in mention.kinds or ():
            if name in kinds:
                _mention(one, mention, name, kinds[name])
    if one.rule.hourly is not None and one.rule.hourly.weather is not None:
        _temperature(one, one.rule.hourly.weather, kinds)


def _temperature(one: Placed, weather: Weather, kinds: Mapping[str, KindSpec]) -> None:
    for name in weather.kinds:
        point = kinds[name].points.get(weather.point) if name in kinds else None
        if point is not None and (point.type, point.unit) != ("gauge", "Cel"):
            path, found = (*one.at, "hourly", "weather", "point"), f"a {point.type} in {point.unit}"
            one.document.report(path, "a temperature: a gauge in Cel", found=found)


def _other_kinds(rule: Rule) -> Iterator[tuple[Key, Sequence[str]]]:
    """Every place in the rule that names kinds of other devices."""
    places: list[tuple[Key, Rule | Part]] = [((), rule)]
    for several in ("any_of", "all_of"):
        places += [((several, index), part) for index, part in enumerate(getattr(rule, several) or ())]
    for at, part in places:
        if part.near is not None and part.near.kinds != "all":
            yield (*at, "near", "kinds"), part.near.kinds
        for word, other in (part.expression.others if part.expression is not None else {}).items():
            yield (*at, "expression", "others", word, "kinds"), other.kinds
    if rule.hourly is not None and rule.hourly.weather is not None:
        yield ("hourly", "weather", "kinds"), rule.hourly.weather.kinds
    for index, step in enumerate(rule.sequence.steps if rule.sequence is not None else ()):
        occasion, path = (step, ()) if step.absent is None else (step.absent, ("not",))
        if occasion.kinds is not None:
            yield ("sequence", "steps", index, *path, "kinds"), occasion.kinds


def _level(one: Placed, path: Key, kind: KindSpec, point: str, level: float | str) -> None:
    words = kind.points[point].values
    if isinstance(level, str) and level not in words:
        _unknown(one, path, level, words, f"a state word of {point}")
    elif words and not isinstance(level, str) and level not in words.values():
        one.document.report((*one.at, *path), f"a state word of {point}: {one_of(words)}")


def _data(one: Placed, path: Key, event: EventSpec, data: Mapping[str, object]) -> None:
    for name, value in data.items():
        field = event.data.get(name)
        if field is None:
            _unknown(one, (*path, name), name, event.data, "a field of the event")
        elif field.type == "code" and value not in field.values:
            _unknown(one, (*path, name), str(value), field.values, f"a word of {name}")


def _example(one: Placed, index: int, example: Example, kinds: Mapping[str, KindSpec]) -> None:
    at: Key = ("examples", index)
    name = example_kind(one.rule, example, kinds)
    if name not in kinds or not one.rule.model_copy(update={"enabled": True}).watches(name):
        watched = kinds if one.rule.when.kinds == "all" else one.rule.when.kinds
        _unknown(one, (*at, "kind"), name, watched, "a kind this rule watches")
        return
    others = {other: spec.kind for other, spec in example.others.items()}
    for other, kind_name in others.items():
        if kind_name not in kinds:
            _unknown(one, (*at, "others", other, "kind"), kind_name, kinds, "a kind of kinds.yaml")
            return
    for number, step in enumerate(example.steps):
        here: Key = (*at, "steps", number)
        if step.device is not None and step.device not in others:
            _unknown(one, (*here, "device"), step.device, others, "one of the example's `others`")
            continue
        _example_step(one, here, step, name if step.device is None else others[step.device], kinds)


def _example_step(one: Placed, here: Key, step: ExampleStep, name: str, kinds: Mapping[str, KindSpec]) -> None:
    kind = kinds[name]
    for point, level in step.point.items():
        if point not in kind.points:
            _unknown(one, (*here, "point", point), point, kind.points, f"a point of {name}")
        else:
            _level(one, (*here, "point", point), kind, point, level)
    if step.event is not None and step.event not in kind.events:
        _unknown(one, (*here, "event"), step.event, kind.events, f"an event of {name}")
    elif step.event is not None:
        _data(one, (*here, "data"), kind.events[step.event], step.data)


def _examples(one: Placed, kinds: Mapping[str, KindSpec]) -> None:
    for failure in run_examples(one.rule, kinds):
        path = (*one.at, "examples", failure.example, "steps", failure.step)
        said, found = (", ".join(words) or "nothing" for words in (failure.expected, failure.found))
        name = one.rule.examples[failure.example].name
        one.document.report(path, f"{said}, as the example “{name}” says", found=found)
