"""How the rules plug into the hub."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import BaseModel

from hub.catalog.problems import CatalogError, Problem
from hub.vocabulary.kinds import KindSpec
from rules.calculated import Calculator
from rules.evaluator import RuleEvaluator
from rules.hourly import HourlyAnalysis, analyses
from rules.load import load_rules
from rules.model import Rule, RuleDocument
from rules.tools import RuleToolbox


class RulesPlugin(RuleToolbox):
    """The rules room's public face."""

    def evaluator(self, roots: Sequence[Path], kinds: Mapping[str, KindSpec]) -> RuleEvaluator:
        """An evaluator with all rules under `roots`. CatalogError with every problem found."""
        return RuleEvaluator(self.rules(roots, kinds))

    def rules(self, roots: Sequence[Path], kinds: Mapping[str, KindSpec]) -> list[Rule]:
        """The rules alone, for `RuleEvaluator.replace_rules` at a reload. CatalogError with every problem found."""
        rules, problems = load_rules(roots, kinds)
        if problems:
            raise CatalogError(problems)
        return rules

    def calculator(self) -> Calculator:
        """What computes the points of virtual devices."""
        return Calculator()

    def analyses(self, rules: Sequence[Rule]) -> list[HourlyAnalysis]:
        """Those that are judged by the hour, over stored history."""
        return analyses(rules)

    def check(self, roots: Sequence[Path], kinds: Mapping[str, KindSpec]) -> list[Problem]:
        """All that is wrong with the rule files, their own examples included."""
        return load_rules(roots, kinds, examples=True)[1]

    def schemas(self) -> Mapping[str, type[BaseModel]]:
        """What editors may check rule files by: `config/schemas/rule.schema.json`."""
        return {"rule": RuleDocument}
