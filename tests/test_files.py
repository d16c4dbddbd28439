"""Files that are complete or not there, also when two processes write the same one."""

from __future__ import annotations

from pathlib import Path

from core.files import replace_file, replace_folder, write_text


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
