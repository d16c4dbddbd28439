"""Names, labels, logs and errors that are markup, code or commands to a terminal, wherever they are shown."""

from __future__ import annotations

import ast
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from core.cli.commands import main
from core.settings import Settings
from core.sharing.bundles import publish
from core.sharing.bundles.importing import import_bundle
from core.sharing.code.facts import facts_of
from core.sharing.code.notebook import notebook
from core.sharing.code.script import exact, script
from core.sharing.report import card
from core.sharing.report import report as reports
from core.sharing.report.content import gather, gather_for_card
from core.store.store import Store
from tests.attack.attack_bundles import whole
from tests.attack.attack_links import everything, harmless, words
from tests.attack.cases import case
from tests.attack.place import Place
from tests.sharing.test_bundle import Shared, in_json, in_run, rewritten
from tests.synthetic import Synthetic

SCRIPT = "<script>alert(1)</script><img src=x onerror=alert(1)>"
MARKDOWN = (
    "![x](http://evil.example/x.png) [here](javascript:alert(1)) `code` | **bold** :material/key: $x$ www.evil.example"
)
TERMINAL = "\x1b[2J\x1b]0;owned\x07\x1b[31mred\x9b1A\x08\r"
TURNED = "\u202egnp.exe\u2066 \u200b\ufeff"
CODE = '"""\nimport os\nos.mkdir("ran")\n#'
FRONT = "x\n---\nlicense: mit\nevil: true\n---\n# Mine"
NAMES = (SCRIPT, MARKDOWN, TERMINAL, TURNED, CODE, FRONT)


def named(shared: Shared, name: str) -> tuple[Store, Settings, Any]:
    """The trained run under a name of somebody who means harm."""
    with shared.store.atomic() as db:
        db.execute("UPDATE runs SET name=? WHERE id=?", (name, shared.ids["one"]))
    return shared.store, shared.settings, shared.store.run(shared.ids["one"])


def steers(text: str) -> list[str]:
    """Characters in it that steer a terminal, or turn what is written."""
    return re.findall("[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", text)


@case("a run's name in its report")
def _report(place: Place, shared: Shared) -> None:
    for name in NAMES:
        content = gather(*named(shared, name))
        html, text = reports.html(content), reports.markdown(content)
        assert "<script>alert" not in html and "<img src=x" not in html and 'href="javascript' not in html
        assert "<script>" not in text and "](javascript:" not in text.replace("\\](", "") and "![x](" not in text
        assert not steers(text)
    with place.untouched():
        reports.html(content)


@case("a run's name in its model card")
def _card(place: Place, shared: Shared) -> None:
    for name in NAMES:
        text = card.card(gather_for_card(*named(shared, name)))
        head, body = text.removeprefix("---\n").split("\n---\n", 1)
        metadata = yaml.safe_load(head)
        assert "evil" not in metadata and not steers(text)
        assert "<script>" not in body and "![x](" not in body
    with place.untouched():
        card.card(gather_for_card(*named(shared, "x")))


@case("links, mentions and formulas in a name on a model card")
def _inert(place: Place, shared: Shared) -> None:
    """Also for what looks for them when Markdown's escapes are gone, as the Hub and GitHub do."""
    words = (
        "http://evil.example/x", "HTTPS://evil.com", "ftp://evil.com", "//evil.com/x", "www.evil.com", "evil.com/login",
        "mail.evil.io", "me@evil.com", "@somebody", "#1", "owner/name#12", "GH-3", ":smile:", "[^1]", "[a]: http://x.y",
        "<http://evil.com>", "<img src=x>", r"\\(x\\)", r"\(x\)", "$x$", "$$x$$", "xmpp:a@b.com", "mailto:a@b.com",
    )  # fmt: skip
    found_later = r"""(?ix) :// | (?<!\w)//\w | www\. | \.(com|io|net)\b | @\w | \#\d | gh-\d | :\w+: | \\[(\[]"""
    for word in words:
        body = card.card(gather_for_card(*named(shared, f"x {word} y"))).split("\n---\n", 1)[1]
        line = next(line for line in body.splitlines() if line.startswith("# "))
        assert not re.search(r"(?<!\\)[<\[$]", line), line  # as Markdown sees it
        unescaped = re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", line)
        assert not re.search(found_later, unescaped.removeprefix("# ")), line
    with place.untouched():
        card.card(gather_for_card(*named(shared, "x")))


@case("a cell that a spreadsheet takes for a formula")
def _formula(place: Place) -> None:
    from core.spreadsheets import harmless
    from core.store.audit_log import Entry, as_csv

    for text in ("=1+1", "+1+1", "-1+1", "@SUM(1)", "\t=1", "\r=1", "\n=1", "\r\n=1", "\x0b=1", "\x00=1", "＝1+1",
                 "＋1+1", "－1+1", "＠SUM(1)", "﹦1", "﹢1+1", "﹣1+1", "﹫x", "−1+1"):  # fmt: skip
        assert harmless(text) == f"'{text}"
        assert f"'{text}".encode() in as_csv([Entry(0.0, text, "start", "", "")])
    for text in ("a=1", "-1.5", "+1", "", "1+1", "'x", "ーx"):
        assert harmless(text) == text
    place.checked += 1


@case("a run's name in its script and notebook")
def _script(place: Place, shared: Shared) -> None:
    _, settings, run = named(shared, "harmless")
    facts = facts_of(run, settings)
    plain, beside = ast.dump(ast.parse(script(facts))), exact(facts)
    for name in NAMES:
        _, _, run = named(shared, name)
        facts = facts_of(run, settings)
        assert ast.dump(ast.parse(script(facts))) == plain, "the same code whatever the name is"
        assert exact(facts) == beside
        for cell in json.loads(notebook(facts))["cells"]:
            if cell["cell_type"] == "markdown":
                assert "<script>" not in re.sub(r"`[^`]*`", "", "".join(cell["source"]))
    with place.untouched():
        script(facts)


@case("a run's name in a folder that is published")
def _published(place: Place) -> None:
    for name in NAMES:
        text = publish.readme([name], "viewer", False)
        outside = re.sub(r"`[^`\n]*`", "", text)
        assert "<script>" not in outside and "![x](" not in outside and "evil: true" not in outside
        assert text.count("\n- `") == 1
    with place.untouched():
        publish.readme(list(NAMES), "demo", True)


@case("a run's name on a terminal")
def _terminal(place: Place, capsys: pytest.CaptureFixture[str]) -> None:
    for name in (TERMINAL + "x", TURNED + "x"):
        run = Synthetic(place.plain, place.settings(), name).working()
        run.say(name)
        run.fail(f"failed: {name}")
    capsys.readouterr()
    with place.untouched():
        assert main(["runs"]) == 0
        for listed in place.plain.runs():
            assert main(["show", listed.id]) == 0
        assert main(["show", TERMINAL]) == 2
        assert main(["train", TERMINAL]) == 2
    out, err = capsys.readouterr()
    assert not steers(out) and not steers(err) and "owned" in out


@case("a log with markup and commands to a terminal")
def _log(place: Place, opened: Any) -> None:
    run = Synthetic(place.plain, place.settings(), SCRIPT).working()
    run.train(10, of=20)
    for text in (SCRIPT, MARKDOWN, TURNED):
        run.say(text, "warning")
        run.say(text)
    run.fail(f"{SCRIPT} {MARKDOWN}", SCRIPT)
    path = place.settings().run_dir(run.id) / "worker.log"
    path.write_bytes("\n".join([SCRIPT, MARKDOWN, TERMINAL, "\x00" * 10, "\ufffe"]).encode() + b"\xff\xfe" * 50)
    with place.untouched():
        page = opened(place.home, "train/run", run=run.id)
        harmless(place, page)
        page.session_state["run_log"] = True
        harmless(place, page.run())
        harmless(place, opened(place.home, "train/runs"))


@case("markup in a bundle: names, labels, notes and errors")
def _bundle(place: Place, shared: Shared, opened: Any) -> None:
    labels = [SCRIPT, MARKDOWN, TURNED + TERMINAL]
    path = whole(shared)

    def change(content: dict[str, bytes]) -> None:
        name = next(n for n in content if n.endswith("evaluation.json"))
        result = json.loads(content[name])
        classes = [{**entry, "label": label} for entry, label in zip(result["per_class"], labels, strict=True)]
        in_json(
            "evaluation.json",
            labels=labels,
            per_class=classes,
            notes=[SCRIPT, MARKDOWN],
            title=MARKDOWN,
            split=SCRIPT,
            text_columns=[SCRIPT],
            dataset={"title": MARKDOWN, "fingerprint": "x"},
        )(content)
        report = json.loads(content[next(n for n in content if n.endswith("report.json"))])
        classes = [{**entry, "label": label} for entry, label in zip(report["per_class"], labels, strict=True)]
        in_json("report.json", labels=labels, per_class=classes, advice=[SCRIPT, MARKDOWN])(content)
        kinds = json.loads(content[next(n for n in content if n.endswith("robustness.json"))])["kinds"]
        titled = [{**kind, "title": f"{kind['name']} {MARKDOWN}{SCRIPT}", "low": -1, "high": -0.5} for kind in kinds]
        in_json("robustness.json", kinds=titled, labels=labels)(content)
        in_run(name=MARKDOWN + SCRIPT, error=MARKDOWN + SCRIPT)(content)

    run = import_bundle(rewritten(path, change), place.plain, place.settings())
    for name, view in (
        ("train/run", ""), ("train/runs", ""), ("results/evaluate", "verdict"), ("results/evaluate", "confusion"),
        ("results/evaluate", "mistakes"), ("results/evaluate", "curves"), ("results/evaluate", "labels"),
        ("results/evaluate", "robustness"),
        ("results/share", "report"), ("results/share", "code"), ("start/start", ""),
    ):  # fmt: skip
        with place.untouched():
            harmless(place, opened(place.home, name, "viewer", run=run.id, **({"view": view} if view else {})))


@case("a run's name that is a path")
def _path_name(place: Place, shared: Shared) -> None:
    """No file is called by it."""
    named(shared, "../../../../tmp/evil\x00/../x")
    with zipfile.ZipFile(shared.bundle("one", texts=False)) as archive:
        assert not [n for n in archive.namelist() if ".." in n or n.startswith("/") or "evil" in n]
    assert not Path("/tmp/evil").exists()
    place.checked += 1


@case("an error of a worker with the ways of the server in it")
def _error(place: Place, opened: Any) -> None:
    run = Synthetic(place.plain, place.settings(), "x", owner="local").working()
    run.fail(f"cannot open {place.home}/uploads/x.csv", f'File "{place.home}/x.py", line 1\n{Path.home()}/y')
    (place.settings().run_dir(run.id)).mkdir(parents=True, exist_ok=True)
    (place.settings().run_dir(run.id) / "worker.log").write_text(f"{place.home}/z\n")
    for mode in ("viewer", "demo"):
        with place.untouched():
            page = opened(place.home, "train/run", mode, run=run.id)
        harmless(place, page)
        assert str(place.home) not in everything(page) and f"{Path.home()}/" not in words(page)
