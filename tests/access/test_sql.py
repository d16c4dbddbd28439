"""SQL tells nothing of the machine that it runs on."""

from __future__ import annotations

import pytest

from core.data.browsing import sql
from core.data.dataset import Prepared
from core.data.prepare import prepare
from core.errors import DataError
from core.settings import Settings
from core.spec.data import DataSpec

TELLING = (
    "SELECT * FROM duckdb_settings()", 'FROM "DuckDB_settings"()', "SELECT reverse(value) FROM duckdb_settings()",
    "SELECT current_setting('allowed_paths')", "SELECT sql FROM duckdb_views()", "SELECT * FROM pg_catalog.pg_settings",
    "FROM query('SELECT * FROM duck' || 'db_settings()')", "FROM query_table('duckdb_views')",
    "SELECT view_definition FROM information_schema.views", "SELECT * FROM system.main.duckdb_views",
    "WITH a AS (SELECT (SELECT max(value) FROM duckdb_settings() WHERE name = 'allowed_paths') AS v) FROM a",
    "SELECT label FROM train WHERE label IN (SELECT 1 FROM pragma_database_list())", "SELECT getenv('HOME')",
)  # fmt: skip


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    return prepare(DataSpec(), Settings(home=tmp_path_factory.mktemp("home")))


@pytest.mark.parametrize("query", TELLING)
def test_settings_and_definitions_are_closed(sample: Prepared, query: str) -> None:
    with pytest.raises(DataError) as refused:
        sql.run(sample, query)
    assert str(sample.folder) not in str(refused.value)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT * FROM train LIMIT 2",
        "WITH query AS (FROM test) SELECT count(*) FROM query LIMIT 1",
        "SELECT 'duckdb_settings()' AS text FROM train LIMIT 1",
        "FROM (SUMMARIZE train)",
        "SELECT label, count(*) FROM main.train GROUP BY ALL",
    ],
)
def test_what_looks_alike_is_run(sample: Prepared, query: str) -> None:
    assert sql.run(sample, query).rows
