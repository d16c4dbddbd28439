"""Files that are complete or not there, also when two processes write the same one."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from core import files
from core.files import replace_file, replace_folder, write_text
from core.runs.causes import cause_of


def test_two_writers_of_one_file_keep_apart(tmp_path: Path) -> None:
    target = tmp_path / "x.json"
    with replace_file(target) as one:
        one.write_text("one")
        with replace_file(target) as other:
            other.write_text("other")
        assert target.read_text() == "other"
    assert target.read_text() == "one"
    write_text(target, "last")
    assert [p.name for p in tmp_path.iterdir()] == ["x.json"] and target.read_text() == "last"


def test_two_writers_of_one_folder_keep_apart(tmp_path: Path) -> None:
    target = tmp_path / "model"
    with replace_folder(target) as one:
        (one / "a").write_text("one")
        with replace_folder(target) as other:
            (other / "a").write_text("other")
        assert (target / "a").read_text() == "other"
    assert (target / "a").read_text() == "one"
    assert [p.name for p in tmp_path.iterdir()] == ["model"]


class Reader:
    """Another program that has a file open on Windows: it cannot be replaced for the first tries."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tries: int) -> None:
        self.tries, self.waits = tries, 0.0
        replace = Path.replace

        def refuse(path: Path, target: Path) -> Path:
            if Path(target).exists() or self.tries < 0:
                self.tries -= 1
                if self.tries >= 0:
                    raise PermissionError(13, "Access is denied", str(target))
            return replace(path, target)

        def wait(seconds: float) -> None:
            self.waits += seconds

        monkeypatch.setattr(Path, "replace", refuse)
        monkeypatch.setattr(files, "WINDOWS", True)
        monkeypatch.setattr(time, "sleep", wait)


def test_a_file_that_is_read_is_replaced_a_moment_later(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "report.json"
    write_text(target, "old")
    reader = Reader(monkeypatch, 3)
    write_text(target, "new")
    assert target.read_text() == "new" and 0 < reader.waits < 1
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_a_file_that_stays_open_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "report.json"
    write_text(target, "old")
    reader = Reader(monkeypatch, 100)
    with pytest.raises(PermissionError, match=r"report\.json is open in another program.*close it") as caught:
        write_text(target, "new")
    assert target.read_text() == "old" and 1 < reader.waits < 10
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]
    assert str(cause_of(caught.value, "train")) == (
        "report.json is open in another program, so it cannot be replaced. Close it there, and start again."
    )


def test_elsewhere_a_refusal_is_one_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "report.json"
    write_text(target, "old")
    reader = Reader(monkeypatch, 100)
    monkeypatch.setattr(files, "WINDOWS", False)
    with pytest.raises(PermissionError, match="Access is denied"):
        write_text(target, "new")
    assert reader.waits == 0


def test_a_folder_that_is_read_stays_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    target = tmp_path / "model"
    with replace_folder(target) as partial:
        (partial / "weights").write_text("old")
    replace = Path.replace

    def refuse(path: Path, other: Path) -> Path:
        if path == target:
            raise PermissionError(13, "Access is denied", str(path))
        return replace(path, other)

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(PermissionError), replace_folder(target) as partial:
        (partial / "weights").write_text("new")
    assert (target / "weights").read_text() == "old" and [path.name for path in tmp_path.iterdir()] == ["model"]


def test_a_folder_that_cannot_be_replaced_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The old one is aside when the new one is refused, as by a virus scanner that looks at it: it comes back."""
    target, replace = tmp_path / "model", Path.replace
    with replace_folder(target) as partial:
        (partial / "a").write_text("old")

    def refuse_new(path: Path, to: Path) -> Path:
        if (path / "a").read_text() == "new":
            raise PermissionError(13, "Access is denied", str(to))
        return replace(path, to)

    monkeypatch.setattr(Path, "replace", refuse_new)
    with pytest.raises(PermissionError), replace_folder(target) as partial:
        (partial / "a").write_text("new")
    assert (target / "a").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["model"]
