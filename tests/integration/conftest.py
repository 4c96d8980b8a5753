"""One PostgreSQL server for all integration tests of a run."""

import os
from collections.abc import Iterator

import pytest

from tests.integration.postgres import drop_databases, make_server, new_database


@pytest.fixture(scope="session")
def postgres_url() -> Iterator[str]:
    """A server's URL; its databases are the tests' own. HUB_TEST_POSTGRES_URL names one to use instead, for example
    a PostgreSQL with TimescaleDB."""
    if given := os.environ.get("HUB_TEST_POSTGRES_URL"):
        yield given
        drop_databases(given)
        return
    with make_server() as url:
        yield url


@pytest.fixture
def database_url(postgres_url: str) -> str:
    """A fresh empty database."""
    return new_database(postgres_url)
