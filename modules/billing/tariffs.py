"""Tariff files: `config/tariffs/<community>.yaml`, read and checked at start."""

from collections.abc import Sequence
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated

from pydantic import BeforeValidator, Field, ValidationInfo, field_validator

from hub.catalog.document import Document
from hub.catalog.problems import CatalogError, Problem
from hub.catalog.sources import find_files, read_document
from hub.catalog.validate import validate
from hub.vocabulary.base import Model
from modules.billing.model import METER_KINDS, Commodity, Tariff

_UNITS = {meter.commodity: meter.unit for meter in METER_KINDS.values()}
_MOST_PRICE = Decimal(10_000)


def _price(value: object) -> Decimal:
    """A price from quoted text: an unquoted number has already been through binary."""
    try:
        price = Decimal(value) if isinstance(value, str) else None
    except InvalidOperation:
        price = None
    if price is None or not price.is_finite() or not 0 <= price < _MOST_PRICE:
        raise ValueError('a price in 元 for one unit, in quotes, such as "0.5283"')
    if int(price.as_tuple().exponent) < -6:
        raise ValueError("a price with at most 6 decimal places")
    return price


def _day(value: object) -> date:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else date.fromisoformat("")
    except ValueError:
        raise ValueError("a day such as 2026-01-01") from None


Price = Annotated[Decimal, BeforeValidator(_price, json_schema_input_type=str)]


class TariffSpec(Model):
    """One version of a flat price; it holds from the local midnight of `valid_from` until the next version's."""

    kind: Commodity
    version: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]
    valid_from: Annotated[date, BeforeValidator(_day)]
    unit: str = Field(description="UCUM code, as the meter counts")
    price: Price = Field(description='元 for one unit, in quotes: "0.5283"')

    @field_validator("unit")
    @classmethod
    def _unit_fits(cls, unit: str, info: ValidationInfo) -> str:
        expected = _UNITS.get(info.data.get("kind", ""))
        if expected is not None and unit != expected:
            raise ValueError(f"{expected}, for that is what the meters count")
        return unit

    def tariff(self) -> Tariff:
        return Tariff(self.kind, self.version, self.valid_from, self.unit, self.price)


class TariffFile(Model):
    """All versions of a community's prices, past ones included. A version once in force is never edited."""

    community: Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9-]{0,31}$")]
    tariffs: Annotated[list[TariffSpec], Field(max_length=1000)]


def load_tariffs(roots: Sequence[Path]) -> dict[str, list[Tariff]]:
    """Community code -> tariffs of the `tariffs/` folders under `roots`, the last root's file of a name counting.

    CatalogError with every problem, each with file, line and field.
    """
    found, problems = read_tariffs(roots)
    if problems:
        raise CatalogError(problems)
    return found


def read_tariffs(roots: Sequence[Path]) -> tuple[dict[str, list[Tariff]], list[Problem]]:
    """The same, with the problems beside it instead of raised."""
    found: dict[str, list[Tariff]] = {}
    problems: list[Problem] = []
    for path in find_files(roots, "tariffs/*.yaml").values():
        document = read_document(path, {})
        file = validate(document, TariffFile)
        if file is not None:
            _check_unique(document, file)
            if file.community in found:
                document.report(("community",), "a community that no other file prices", sort="duplicate")
            found[file.community] = [spec.tariff() for spec in file.tariffs]
        problems += document.problems
    return found, problems


def _check_unique(document: Document, file: TariffFile) -> None:
    for name in ("version", "valid_from"):
        seen: set[tuple[str, object]] = set()
        for index, spec in enumerate(file.tariffs):
            key = (spec.kind, getattr(spec, name))
            if key in seen:
                document.report(("tariffs", index, name), f"each {name} once for a kind", sort="duplicate")
            seen.add(key)
