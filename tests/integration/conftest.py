"""One PostgreSQL server for all integration tests of a run."""

import os
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from hub.store.migrate import migrate
from tests import parsed_once
from tests.integration.mosquitto import Mosquitto
from tests.integration.postgres import close_database, drop_databases, dropping, make_server, new_database

parsed_once.install()


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


@pytest.fixture(scope="session")
def template(postgres_url: str) -> str:
    """The name of a database with the hub's own tables, to be copied."""
    made = new_database(postgres_url)
    migrate(made)
    name = urlsplit(made).path[1:]
    close_database(postgres_url, name)
    return name


@pytest.fixture
def database_url(postgres_url: str, template: str) -> str:
    """A fresh database with the hub's own tables and nothing in them."""
    return new_database(postgres_url, template)


@pytest.fixture(autouse=True)
def _databases_end_with_their_test(request: pytest.FixtureRequest) -> Iterator[None]:
    """Hundreds of them would fill the memory the server stands in. Those of wider fixtures were made before this."""
    if "postgres_url" not in request.fixturenames:
        yield
        return
    with dropping(request.getfixturevalue("postgres_url")):
        yield


@pytest.fixture(scope="module")
def broker(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Mosquitto]:
    """A broker for the tests of one file."""
    with Mosquitto(tmp_path_factory.mktemp("broker")) as mosquitto:
        yield mosquitto
