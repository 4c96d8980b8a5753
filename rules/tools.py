"""What the rulebook asks of the rules engine: read one rule, run its examples, try it, put it in force."""

from collections.abc import Mapping, Sequence
from itertools import zip_longest
from pathlib import Path

from msgspec.structs import replace

from hub.catalog.document import Document
from hub.catalog.paths import packaged_config
from hub.catalog.problems import CatalogError, Problem
from hub.catalog.sources import find_files, read_document
from hub.catalog.validate import validate
from hub.catalog.yaml import parse_yaml
from hub.model import Device
from hub.rulebook.model import ExampleOutcome, Override, RuleText, digest, normal
from hub.vocabulary.kinds import KindSpec
from rules.backtest import RuleTrial
from rules.examples import run_examples
from rules.load import PATTERN, Placed, _fits, line_of, own_text, said_by
from rules.model import CONDITIONS, Rule

_NOWHERE = Path("/nonexistent")
_LABEL = "rule"


class RuleToolbox:
    """Implements `hub.rulebook.model.RuleTools`."""

    def rule_texts(self, roots: Sequence[Path]) -> list[RuleText]:
        """Every rule of the files, each as a text of its own. CatalogError."""
        texts, problems = [], []
        for path in find_files(roots, PATTERN).values():
            document = read_document(path, {})
            placed = said_by(document, path)
            problems += document.problems
            lines = path.read_text("utf-8-sig").splitlines() if placed else []
            for one, following in zip_longest(placed, placed[1:]):
                shown = _shown(one.rule, own_text(one, following, lines), path.name, line_of(one))
                pack = one.pack.label if one.pack is not None else ""
                texts.append(replace(shown, shipped=path.is_relative_to(packaged_config()), pack=pack))
        if problems:
            raise CatalogError(problems)
        return texts

    def parse_rule(self, text: str, kinds: Mapping[str, KindSpec]) -> tuple[RuleText | None, list[Problem]]:
        """One rule; None and all that is wrong with it, by line."""
        rule, problems = read_rule(text, kinds)
        return (None if rule is None else _shown(rule, normal(text))), problems

    def run_rule_examples(self, text: str, kinds: Mapping[str, KindSpec]) -> list[ExampleOutcome]:
        """Its own examples, each with what went otherwise. CatalogError where it cannot be read."""
        rule = _must_read(text, kinds)
        failures = {failure.example: failure for failure in run_examples(rule, kinds)}
        outcomes = []
        for number, example in enumerate(rule.examples):
            failure = failures.get(number)
            detail = ""
            if failure is not None:
                said, found = (", ".join(words) or "nothing" for words in (failure.expected, failure.found))
                detail = f"step {failure.step + 1}: expected {said}, found {found}"
            outcomes.append(ExampleOutcome(example.name, failure is None, detail))
        return outcomes

    def trial(self, text: str, kinds: Mapping[str, KindSpec], devices: Mapping[int, Device], since: int) -> RuleTrial:
        """The rule, switched on, over these devices. CatalogError."""
        return RuleTrial(_must_read(text, kinds), devices, since)

    def put_over(
        self, rules: Sequence[Rule], overrides: Sequence[Override], kinds: Mapping[str, KindSpec]
    ) -> tuple[list[Rule], list[Problem]]:
        """The rules with others put over them by id; an override that no longer fits is left out and told."""
        found = {rule.rule: rule for rule in rules}
        problems: list[Problem] = []
        for override in overrides:
            rule = found.get(override.rule)
            if override.text is not None:
                rule, wrong = read_rule(override.text, kinds, f"{override.rule} ({_LABEL})")
                problems += wrong
            if rule is not None:
                found[override.rule] = rule.model_copy(update={"enabled": override.enabled})
        return list(found.values()), problems


def read_rule(text: str, kinds: Mapping[str, KindSpec], label: str = _LABEL) -> tuple[Rule | None, list[Problem]]:
    """One rule from text of whoever; None and all that is wrong with it."""
    document = Document(label)
    if "!file" in text or "!env" in text:
        document.report((), "no !file or !env: a rule holds no references", found="", sort="secret")
        return None, document.problems
    parse_yaml(text, document, {}, _NOWHERE)
    if isinstance(document.data, dict) and "rules" in document.data:
        document.report(("rules",), "one rule, beginning with `rule:`, `title:` …", found="a list of rules")
        return None, document.problems
    rule = validate(document, Rule)
    if rule is None or document.problems or not _fits(Placed(rule, document, ()), kinds):
        return None, document.problems
    rule.made_of(digest(text))
    return rule, []


def _must_read(text: str, kinds: Mapping[str, KindSpec]) -> Rule:
    rule, problems = read_rule(text, kinds)
    if rule is None:
        raise CatalogError(problems)
    return rule


def _shown(rule: Rule, text: str, file: str = "", line: int = 1) -> RuleText:
    condition = next(name for name in (*CONDITIONS, "any_of", "all_of") if getattr(rule, name) is not None)
    kinds = ["all"] if rule.when.kinds == "all" else list(rule.when.kinds)
    return RuleText(
        rule.rule, text, rule.title, kinds, rule.priority, rule.enabled, rule.life_safety, rule.work_order, condition,
        file, line, procedure=rule.procedure,
    )  # fmt: skip
