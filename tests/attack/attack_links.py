"""Addresses that somebody is made to click on, or writes: whatever stands behind the question mark."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

from tests.attack.cases import case
from tests.attack.place import CANARY, SECRETS, Place
from tests.synthetic import Synthetic

MARKUP = "<script>alert(1)</script>![x](http://evil.example/x.png)[click](javascript:alert(1)) **bold** :material/key:"


LIVE = re.compile(r"(?<!\\)<(script|img)|(?<!\\)!\[x\]\(|(?<!\\)\]\(javascript:")


def words(page: AppTest) -> str:
    """All that stands on a page, with titles of widgets."""
    texts = [
        getattr(e, "value", "")
        for kind in ("markdown", "caption", "info", "warning", "error", "success", "title")
        for e in page.get(kind)
    ]
    return "\n".join(map(str, texts))


def everything(page: AppTest) -> str:
    """All elements with what they hold, without the address that was asked for."""
    return f"{page.main}{page.sidebar}"


def harmless(place: Place, page: AppTest) -> str:
    """No exception, no secret, and nothing that the markup of a link would have become. What stands there."""
    assert not page.exception, page.exception
    text, all_of_it = words(page), everything(page)
    for secret in (*SECRETS.values(), CANARY, str(place.canary)):
        assert secret not in all_of_it
    assert not LIVE.search(text), text
    assert not any(e.allow_html for e in page.markdown)
    return text


def a_run(place: Place) -> str:
    run = Synthetic(place.plain, place.settings(), "Anybody's").working()
    run.train(10, of=10)
    run.finish()
    return run.id


@case("a path as the run of a link")
def _run_path(place: Place, opened: Any) -> None:
    a_run(place)
    with place.untouched():
        text = harmless(place, opened(place.home, "train/run", run="../../canary/secret.csv"))
    assert "secret.csv" not in text


@case("a zero byte and marks that turn writing in the run of a link")
def _run_zero(place: Place, opened: Any) -> None:
    a_run(place)
    with place.untouched():
        harmless(place, opened(place.home, "train/run", run="ab\x00cd\u202e\ud7ff../"))


@case("a megabyte as the run of a link")
def _run_long(place: Place, opened: Any) -> None:
    a_run(place)
    with place.untouched():
        text = harmless(place, opened(place.home, "train/run", run="a" * 1_000_000))
    assert len(text) < 5000


@case("markup as the run of a link")
def _run_markup(place: Place, opened: Any) -> None:
    a_run(place)
    with place.untouched():
        harmless(place, opened(place.home, "train/run", run=MARKUP))


@case("SQL as the run of a link")
def _run_sql(place: Place, opened: Any) -> None:
    a_run(place)
    with place.untouched():
        harmless(place, opened(place.home, "results/share", run="x' OR '1'='1'; DROP TABLE runs; --"))


@case("a path as the evaluation of a link")
def _evaluation_path(place: Place, opened: Any) -> None:
    with place.untouched():
        harmless(place, opened(place.home, "results/evaluate", evaluation="../../../canary", view="../x"))


@case("a training run as the evaluation of a link")
def _evaluation_kind(place: Place, opened: Any) -> None:
    run = a_run(place)
    with place.untouched():
        harmless(place, opened(place.home, "results/evaluate", "viewer", evaluation=run))


@case("a tab of a link that is not for who looks")
def _closed_tab(place: Place, opened: Any) -> None:
    a_run(place)
    for mode in ("viewer", "demo"):
        for view in ("hub", "publish", "card"):
            with place.untouched():
                page = opened(place.home, "results/share", mode, view=view)
            harmless(place, page)
            active = [str(b.key) for b in page.button if not b.disabled]
            assert not [key for key in active if key.startswith(("hub_", "publish", "share_card_save"))], active


@case("a split of a link that is a path")
def _split(place: Place, opened: Any) -> None:
    run = a_run(place)
    with place.untouched():
        harmless(place, opened(place.home, "results/evaluate", "viewer", run=run, split=f"../..{place.canary}"))


@case("a file of the server as the dataset of a link")
def _file_of_the_server(place: Place, opened: Any) -> None:
    path = str(place.canary / "secret.csv")
    with place.untouched(r"^home/datasets"):
        page = opened(place.home, "data/datasets", "demo", source="file", path=path)
    assert not page.exception, page.exception
    assert CANARY not in everything(page) and str(place.root) not in words(page).replace(path, "")


@case("steps of a link that are nested without end")
def _deep_steps(place: Place, opened: Any) -> None:
    with place.untouched(r"^home/datasets"):
        harmless(place, opened(place.home, "data/datasets", source="sample", steps="[" * 40_000))


@case("steps of a link that nobody knows")
def _unknown_steps(place: Place, opened: Any) -> None:
    steps = json.dumps([{"step": "exec", "code": "import os"}, {"step": MARKUP}])
    with place.untouched(r"^home/datasets"):
        harmless(place, opened(place.home, "data/datasets", source="sample", steps=steps))


@case("a view of a link that is a formula")
def _view(place: Place, opened: Any) -> None:
    from core.data.prepare import prepare
    from core.spec.data import DataSpec

    prepare(DataSpec(), place.settings())
    for view in (json.dumps({"sort": "text; DROP TABLE x", "search": "')--", "where": MARKUP}), "{" * 9000, "\x00"):
        with place.untouched(r"^home/datasets"):
            harmless(place, opened(place.home, "data/datasets", source="sample", split="train", view=view))


@case("a way of reading of a link that is code")
def _reading(place: Place, opened: Any) -> None:
    read = json.dumps({"encoding": "../../codecs/evil", "delimiter": "\u202e", "header": "yes"})
    with place.untouched(r"^home/datasets"):
        harmless(place, opened(place.home, "data/datasets", source="sample", read=read))


@case("another visitor's run in a link of a demo")
def _visitors_run(place: Place, opened: Any) -> None:
    from tests.attack.place import OTHER_VISITOR

    run = place.house("demo").ended(OTHER_VISITOR.id, "Not for others")
    for page_name in ("train/run", "results/evaluate", "results/share", "results/playground", "train/runs"):
        with place.untouched():
            page = opened(place.home, page_name, "demo", run=run.id, evaluation=run.id)
        harmless(place, page)
        assert "Not for others" not in everything(page)


@case("pages of a viewer that are not for them")
def _closed_pages(place: Place, opened: Any) -> None:
    a_run(place)
    for name in ("train/new_run", "results/playground", "admin/audit", "data/datasets"):
        with place.untouched(), pytest.raises(ValueError, match="not find a navigation page"):
            opened(place.home, name, "viewer")


@case("a file of this computer in a link from outside")
def _local_file(place: Place, opened: Any) -> None:
    path = str(place.canary / "secret.csv")
    forged = {"opened": "0" * 32}
    for more in ({}, forged, {"split": "train", "view": '{"search":"x"}'}, {"steps": '[{"step":"subset","rows":1}]'}):
        with place.untouched():
            page = opened(place.home, "data/datasets", source="file", path=path, **more)
        assert CANARY not in everything(page) and not page.dataframe
        assert page.button(key="link_open").label.replace("\\", "").endswith("canary/secret.csv")
        assert path in words(page)
    page.button(key="link_leave").click().run()
    assert "link_open" not in [b.key for b in page.button] and CANARY not in everything(page)

    page.query_params.update({"source": "file", "path": path, "split": "test"})
    page.run().button(key="link_open").click().run()
    assert not page.exception and CANARY in page.dataframe[0].value["text"][0]
    proof = page.query_params["opened"]  # it is in the address now: a reload, which is a new session, goes on
    place.checked += 1
    page = opened(place.home, "data/datasets", source="file", path=path, opened="".join(proof))
    assert CANARY not in everything(page)  # a dashboard that was started anew asks again


@case("a place on another machine in a link")
def _network_path(place: Place, opened: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    from core import settings as settings_module
    from core.data.reading import files

    def touched(*_: object) -> None:
        raise AssertionError("the place was looked at")

    monkeypatch.setattr(settings_module, "_real_path", touched)
    monkeypatch.setattr(files, "resolve", touched)
    for path in (
        r"\\evil.example\share\x.csv", "//evil.example/share", r"\/evil.example\share", r"/\evil.example/share",
        r"\\?\UNC\evil.example\share", r"\\.\pipe\x", r"\??\UNC\evil.example\share", "smb://evil.example/share/x.csv",
        "FILE://evil.example/x.csv", "/net/evil.example/x", "/./net/evil.example/x", "/tmp/../net/evil.example/x",
        "~/../../../../net/evil.example/x", "../../../../../../../net/evil.example/x",
        '"\\\\evil.example\\share"', " //evil.example/share",
    ):  # fmt: skip
        with place.untouched():
            page = opened(place.home, "data/datasets", source="file", path=path)
        text = harmless(place, page)
        assert "another machine" in text and "link_open" not in [b.key for b in page.button], path


@case("a place on another machine in a spec or bundle that somebody sent")
def _network_path_in_files(place: Place, opened: Any) -> None:
    from core.network_paths import network_path_in
    from core.spec.run import RunSpec, from_yaml, to_yaml

    texts = (
        r'data: {source: file, path: "\\\\evil.example\\share\\x.csv"}',
        "data: {source: file, path: //evil.example/x}",
        r'model: {name: "\\\\evil.example\\models\\bert"}',
        "model: {name: smb://evil.example/bert}",
    )
    for text in texts:
        assert network_path_in(from_yaml(text).model_dump(mode="json")) is not None
        page = opened(place.home, "train/new_run")
        page.session_state["as_yaml"] = True
        page.run()
        editor = next(area for area in page.text_area if area.label == "YAML")
        with place.untouched():
            editor.set_value(text).run()
            page.button(key="yaml_apply").click().run()
        assert "another machine" in harmless(place, page)
    assert network_path_in(from_yaml(to_yaml(RunSpec())).model_dump(mode="json")) is None
    assert network_path_in({"source": "hub", "path": "owner/name", "model": {"name": "C:\\models\\bert"}}) is None
