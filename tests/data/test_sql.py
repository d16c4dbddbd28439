"""SQL on a dataset: its answers, its error messages, and everything that it must not reach."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import duckdb
import psutil
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from core.data.browsing import sql
from core.data.browsing.export import csv_of
from core.data.dataset import Prepared
from core.data.prepare import prepare
from core.errors import DataError
from core.settings import Settings
from core.spec.data import DataSpec

SECRET = "sql-must-not-read-this"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(home=tmp_path_factory.mktemp("home"))


@pytest.fixture(scope="module")
def sample(home: Settings) -> Prepared:
    return prepare(DataSpec(), home)


@pytest.fixture(scope="module")
def forbidden(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Writes a folder with a secret in every format that SQL could read."""
    folder = tmp_path_factory.mktemp("forbidden")
    (folder / "secret.csv").write_text(f"a\n{SECRET}\n")
    (folder / "secret.json").write_text(f'{{"a": "{SECRET}"}}')
    pq.write_table(pa.table({"a": [SECRET]}), folder / "secret.parquet")
    with duckdb.connect(str(folder / "secret.duckdb")) as connection:
        connection.execute(f"CREATE TABLE s AS SELECT '{SECRET}' AS a")
    return folder


def test_examples_run_and_say_what_they_promise(sample: Prepared) -> None:
    for title, query in sql.examples(sample, ("text",), "label").items():
        answer = sql.run(sample, query)
        assert answer.whole, title
        assert answer.rows > 0 or "both splits" in title
    counts = sql.page(sql.run(sample, sql.examples(sample, ("text",), "label")["How often each label"]), 0, 10)
    assert counts["rows"].sum() == 4_000 and set(counts["label"]) == {f"{n} star{'s' * (n > 1)}" for n in range(1, 6)}


def test_types_names_and_pages(sample: Prepared) -> None:
    answer = sql.run(
        sample, "SELECT 1 AS a, 2 AS a, 1.5::DECIMAL(9,2) AS d, [1, 2] AS l, INTERVAL 1 DAY AS i, NULL AS n"
    )
    frame = sql.page(answer, 0, 5)
    assert list(frame.columns) == ["a", "a_1", "d", "l", "i", "n"]
    assert frame["d"][0] == 1.5 and frame["l"][0] == "[1, 2]"
    many = sql.run(sample, "SELECT range AS n FROM range(1000)")
    assert sql.page(many, 995, 100)["n"].tolist() == [995, 996, 997, 998, 999]
    assert sql.page(many, 995, 100).index[0] == 995
    csv = csv_of(sql.run(sample, "SELECT '=1+1' AS \"@x\"").path).decode("utf-8-sig")
    assert csv.replace('"', "").splitlines() == ["'@x", "'=1+1"]


def test_more_rows_than_are_kept(sample: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "MOST_ROWS", 1_000)
    answer = sql.run(sample, "SELECT * FROM range(5000)")
    assert (answer.rows, answer.whole) == (1_000, False)
    assert sql.run(sample, "SELECT * FROM range(1000)").whole
    monkeypatch.setattr(sql, "MOST_BYTES", 1_000_000)
    assert not sql.run(sample, "SELECT repeat('x', 10000) AS t FROM range(900)").whole


def test_results_are_few(sample: Prepared) -> None:
    for number in range(sql.KEPT_RESULTS + 5):
        if number % 8 == 0:
            sql.run(sample, f"SELECT {number}")
        else:
            (sample.folder / sql.FOLDER / f"{number}.parquet").write_bytes(b"")
    sql.run(sample, "SELECT 1")
    assert len(list((sample.folder / sql.FOLDER).glob("*.parquet"))) <= sql.KEPT_RESULTS


HOSTILE = {
    "a csv file": ("SELECT * FROM read_csv('{f}/secret.csv')", "closed here"),
    "a file as a table": ("SELECT * FROM '{f}/secret.csv'", "closed here|does not exist"),
    "a parquet file": ("SELECT * FROM read_parquet('{f}/secret.parquet')", "closed here"),
    "a json file": ("SELECT * FROM read_json('{f}/secret.json')", "closed here"),
    "text of a file": ("SELECT content FROM read_text('{f}/secret.csv')", "closed here"),
    "bytes of a file": ("SELECT content FROM read_blob('{f}/secret.csv')", "closed here"),
    "names of files": ("SELECT * FROM glob('{f}/*')", "closed here"),
    "a file's metadata": ("SELECT * FROM parquet_metadata('{f}/secret.parquet')", "closed here"),
    "a file's format": ("SELECT * FROM sniff_csv('{f}/secret.csv')", "closed here"),
    "a hidden file": ("SELECT (SELECT a FROM read_csv('{f}/secret.csv')) FROM train", "closed here"),
    "a query in a query": ("SELECT * FROM query('SELECT * FROM read_text(''{f}/secret.csv'')')", "closed here"),
    "a way up": ("SELECT * FROM read_text('../../../../../..{f}/secret.csv')", "closed here"),
    "the environment": ("SELECT * FROM read_text('/proc/self/environ')", "closed here"),
    "a variable of the environment": ("SELECT getenv('HOME')", "does not exist"),
    "another database": ("ATTACH '{f}/secret.duckdb' AS s", "one SELECT"),
    "a database of sqlite": ("SELECT * FROM sqlite_scan('{f}/secret.duckdb', 's')", "not in the catalog"),
    "the network": ("SELECT * FROM read_csv('http://127.0.0.1:9/x.csv')", "closed here"),
    "a bucket": ("SELECT * FROM read_parquet('s3://bucket/x.parquet')", "closed here"),
    "an extension": ("INSTALL httpfs", "one SELECT"),
    "a loaded extension": ("LOAD httpfs", "one SELECT"),
    "a setting": ("SET enable_external_access = true", "one SELECT"),
    "a reset": ("RESET enable_external_access", "one SELECT"),
    "a pragma": ("PRAGMA database_list", "one SELECT"),
    "a call": ("CALL pragma_version()", "one SELECT"),
    "a secret of duckdb": ("CREATE SECRET s (TYPE s3, KEY_ID 'a', SECRET 'b')", "one SELECT"),
    "writing a file": ("COPY train TO '{f}/out.csv'", "one SELECT"),
    "exporting": ("EXPORT DATABASE '{f}/out'", "one SELECT"),
    "dropping": ("DROP VIEW train", "one SELECT"),
    "making a table": ("CREATE TABLE x AS SELECT 1", "one SELECT"),
    "changing": ("UPDATE train SET text = ''", "one SELECT"),
    "a macro": ("CREATE MACRO m() AS TABLE SELECT * FROM read_text('{f}/secret.csv')", "one SELECT"),
    "two statements": ("SELECT 1; DROP VIEW train", "one SELECT"),
    "a comment before": ("/* SELECT */ COPY train TO '{f}/out.csv'", "one SELECT"),
    "a prepared one": ("PREPARE p AS SELECT 1", "one SELECT"),
    "variables of python": ("SELECT * FROM request", "does not exist"),
    "no statement": ("-- nothing", "one SELECT"),
    "an unknown table": ("SELECT * FROM nobody", "tables here: train \\(text, label\\); test"),
    "an unknown column": ("SELECT nobody FROM train", "tables here: train"),
    "a typing error": ("SELEC 1", "syntax error at or near"),
    "an error in the second line": ("SELECT 1\nFORM train x y", "syntax error.* in line 2"),
    "a wrong type": ("SELECT text + 1 FROM train", "Could not convert|No function matches"),
}


@pytest.mark.parametrize("case", HOSTILE)
def test_hostile_queries(case: str, sample: Prepared, forbidden: Path) -> None:
    query, says = HOSTILE[case]
    before = sorted(p.name for p in forbidden.iterdir()), set(sample.folder.rglob("*"))
    with pytest.raises(DataError, match=says) as caught:
        answer = sql.run(sample, query.replace("{f}", forbidden.as_posix()))
        assert SECRET not in str(sql.page(answer, 0, 10).to_dict())
    assert SECRET not in str(caught.value)
    assert sorted(p.name for p in forbidden.iterdir()) == before[0]
    assert set(sample.folder.rglob("*")) <= before[1] | {sample.folder / sql.FOLDER}


@pytest.mark.parametrize(
    "query",
    [
        "SELECT count(*) FROM range(100000000000) a, range(1000) b",
        "WITH RECURSIVE r AS (SELECT 1 AS n UNION ALL SELECT n + 1 FROM r) SELECT max(n) FROM r",
    ],
)
def test_endless_queries_are_killed(query: str, sample: Prepared) -> None:
    children = set(psutil.Process().children(recursive=True))
    with pytest.raises(DataError, match="ended after 2 seconds"):
        sql.run(sample, query, most_seconds=2)
    assert not {c for c in psutil.Process().children(recursive=True) if c.is_running()} - children


@pytest.mark.parametrize(
    ("query", "text"),
    [
        ("DATE '200000-01-01'", "200000-01-01"), ("DATE '5000-01-01 (BC)'", "5000-01-01 (BC)"),
        ("'infinity'::DATE", "infinity"), ("'-infinity'::TIMESTAMP", "-infinity"),
        ("TIMESTAMP '290000-01-01 00:00:00'", "290000-01-01 00:00:00"), ("TIMESTAMP_S '290000-01-01'", "290000-01-01"),
        ("TIMESTAMPTZ '200000-01-01 00:00:00+00'", "200000"), ("TIMETZ '10:00:00+01'", "10:00:00+01"),
        ("INTERVAL 5000000 MONTH", "416666 years 8 months"), ("{'a': DATE '200000-01-01'}", "200000-01-01"),
        ("[DATE '200000-01-01']", "[200000-01-01]"), ("MAP {'k': 'infinity'::DATE}", "{k=infinity}"),
        ("[1, 2]::INT[2]", "[1, 2]"), ("union_value(k := 1)", "1"), ("'101'::BIT", "101"), ("'a'::ENUM('a')", "a"),
        ("170141183460469231731687303715884105727::HUGEINT", "1.7014118346046923e+38"),
        ("340282366920938463463374607431768211455::UHUGEINT", "3.402823669209385e+38"), ("'nan'::DOUBLE", "nan"),
        ("18446744073709551615::UBIGINT", "18446744073709551615"), ("'\\x00'::BLOB", "1 byte"),
    ],
)  # fmt: skip
def test_values_that_nothing_else_can_hold_are_shown(query: str, text: str, sample: Prepared) -> None:
    answer = sql.run(sample, f"SELECT {query} AS v UNION ALL SELECT NULL")
    assert any(text in str(value) for value in sql.page(answer, 0, 10)["v"])
    assert csv_of(answer.path)


@pytest.mark.parametrize(
    "query",
    [
        "SELECT repeat('ab', 50000) AS t FROM range(9500)",
        "SELECT repeat('ab', 4000000) AS t FROM range(50)",
        "SELECT range(1000000) AS t FROM range(20)",
        "SELECT CASE WHEN range = 5 THEN repeat('ab', 20000000) ELSE 'a' END AS t FROM range(10)",
    ],
)
def test_answers_are_bounded_by_their_bytes(query: str, sample: Prepared) -> None:
    answer = sql.run(sample, query)
    with pq.ParquetFile(answer.path) as file:
        groups = [file.metadata.row_group(at) for at in range(file.num_row_groups)]
        assert sum(group.total_byte_size for group in groups) <= sql.MOST_BYTES
        assert 0 < answer.rows == file.metadata.num_rows
    before = peak()
    assert len(sql.page(answer, 0, 100)) == min(100, answer.rows)
    assert peak() - before < 100 * 1024**2
    with pytest.raises(DataError, match=r"one row of the result has more than 64\.0 MB"):
        sql.run(sample, "SELECT repeat('ab', 50000000) AS t")


def peak() -> int:
    return psutil.Process().memory_info().rss


def test_a_query_leaves_nothing_but_its_result(sample: Prepared, home: Settings) -> None:
    folder = sample.folder / sql.FOLDER
    big = "SELECT repeat('x', 900) || range AS t FROM range(9000000) ORDER BY hash(range)"
    for query in (big, "SELECT nonsense", "SELECT repeat('ab', 50000000)"):
        with pytest.raises(DataError):
            sql.run(sample, query, most_seconds=3)
        assert not [path for path in folder.iterdir() if path.suffix != ".parquet"], query
    killed = folder / f"{sql.WORKING}{2**22 + 1}-0123456789ab"  # of a process that there is no more
    going = folder / f"{sql.WORKING}{os.getpid()}-0123456789ab"
    for path in (killed, going):
        path.mkdir()
        (path / "duckdb_temp_storage_DEFAULT-0.tmp").write_bytes(b"x")
    (folder / "duckdb_temp_storage_DEFAULT-0.tmp").write_bytes(b"x")  # as earlier versions left it
    sql.sweep(home)
    assert [path for path in folder.iterdir() if path.suffix != ".parquet"] == [going]


def test_hungry_queries_end(sample: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sql, "MEMORY", "60MB")
    with pytest.raises(DataError, match="more memory than"):
        sql.run(sample, "SELECT list(range) FROM range(100000000)", most_seconds=20)


def test_a_child_has_no_secrets(sample: Prepared, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_TOKEN", SECRET)
    seen: dict[str, str] = {}
    real = subprocess.Popen

    def watched(*args: Any, **kwargs: Any) -> Any:
        seen.update(kwargs["env"])
        return real(*args, **kwargs)

    monkeypatch.setattr(subprocess, "Popen", watched)
    sql.run(sample, "SELECT 1")
    assert SECRET not in seen.values() and "PATH" in seen and os.environ["HF_TOKEN"] == SECRET


def test_what_is_no_query(sample: Prepared) -> None:
    with pytest.raises(DataError, match="write a query first"):
        sql.run(sample, "  \n")
    with pytest.raises(DataError, match="the most is 20,000"):
        sql.run(sample, "SELECT " + "1," * 20_000)
