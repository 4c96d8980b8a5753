"""Billing (计费): a meter's consumption over a period × a dated flat tariff = a bill line in whole fen."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from hub.catalog.paths import packaged_config
from hub.catalog.problems import Problem
from hub.context import Context
from hub.vocabulary.kinds import KindSpec
from modules.billing.service import Billing
from modules.billing.tariffs import TariffFile, load_tariffs, read_tariffs


class BillingPlugin:
    """What this module offers the hub."""

    def migrations(self) -> Path:
        return Path(__file__).with_name("migrations")

    def check(self, roots: Sequence[Path], kinds: Mapping[str, KindSpec]) -> Sequence[Problem]:  # noqa: ARG002
        """What is wrong with the tariff files."""
        return read_tariffs(roots)[1]

    def schemas(self) -> Mapping[str, type[BaseModel]]:
        return {"tariff": TariffFile}

    def pages(self, shell: Any) -> None:
        from modules.billing.pages import add_pages  # nicegui only where pages are served

        add_pages(shell, make_billing(shell.hub.context))

    def routes(self, context: Context) -> Any:
        from modules.billing.routes import make_router  # fastapi only where HTTP is served

        return make_router(make_billing(context))

    def ports(self, context: Context) -> Mapping[str, Any]:
        """`billing.price_at(community_id, kind, day)` and `billing.walk_back(who, line_id)`, both read-only;
        `billing.overview`: see `hub.overview`."""
        billing = make_billing(context)
        return {"billing.price_at": billing.price_at, "billing.walk_back": billing.walk_back,
                "billing.overview": billing.overview}  # fmt: skip


def make_billing(context: Context) -> Billing:
    """The use cases over the tariff files of this hub. CatalogError when one of those is wrong."""
    own = context.settings.config_dir
    return Billing(context, load_tariffs([packaged_config(), *([own] if own else [])]))
