"""Recognises plain texts in a folder per class with a file per text (IMDb, 20 newsgroups), or in a file per class.

aclImdb/train/pos/0_9.txt, aclImdb/test/neg/1_2.txt      a text each; the class is the folder, train and test are splits
pos.txt, neg.txt                                         a text per line; the class is the file's name
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from core.data.notes import Note
from core.data.reading.files import DATA_SUFFIXES, NOT_DATA, PACKED, PART, SPLIT_WORDS, base_suffix, is_hidden, split_of
from core.data.reading.folders.names import SHARD, is_split_word, key_values, whole_stem
from core.data.reading.folders.walk import Entry
from core.errors import DataError
from core.wording import counted

TEXT_NAMES = re.compile(r"\.(txt|text|[0-9]+|[0-9a-f]{16,})?$|^[^.]+$", re.IGNORECASE)
WITHOUT_CLASS = {"unsup", "unlabeled", "unlabelled", "unsupervised", "unlabel"}
PARALLEL = {"text", "texts", "label", "labels", "sentence", "sentences", "target", "targets", "class", "classes",
            "mapping", "vocab", "stopwords", "urls", "ids"}  # fmt: skip
MAX_CLASS_FILES = 100
MAX_NOTES = 20
SAMPLE_FILES = 40
SAMPLE_BYTES = 16 * 1024


@dataclass
class Texts:
    """Files of texts by split and class. per_line: whether each line is a text, else each file is one."""

    per_line: bool
    splits: dict[str, dict[str, list[Entry]]] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)

    def add(self, split: str, label: str, entry: Entry) -> None:
        """Adds a file."""
        self.splits.setdefault(split, {}).setdefault(label, []).append(entry)

    @property
    def entries(self) -> list[Entry]:
        """All files that are read."""
        return [entry for classes in self.splits.values() for files in classes.values() for entry in files]

    @property
    def classes(self) -> list[str]:
        """The classes of all splits."""
        return sorted({label for classes in self.splits.values() for label in classes})


def recognise(entries: list[Entry], folder: str) -> Texts | None:
    """Returns the texts of a folder by class; None if it holds tables. Raises DataError for texts without classes."""
    plain = [e for e in entries if is_text_name(e) and not is_hidden(e.name)]
    tables = [e for e in entries if base_suffix(e.inner) in DATA_SUFFIXES - {".txt"} and _is_table_name(e)]
    if not plain:
        return None
    texts = _class_folders(plain)
    if texts and len(texts.entries) >= 10 * len(tables):
        return texts
    lines = [e for e in plain if base_suffix(e.inner) == ".txt" and e.inner.suffix.lower() not in PACKED]
    if tables or len(lines) < 2 or any(map(_is_table, lines[:SAMPLE_FILES])):
        return None
    _check_parallel(lines, folder)
    if texts := _class_files(lines):
        return texts
    if all(split_of(whole_stem(e.inner)) for e in lines):
        return None
    raise DataError.of(
        "texts-not-sorted",
        "the folder {folder!r} holds {count:plain text file|plain text files}, which are neither "
        "tables nor sorted by class; put them into a folder per class, such as pos and neg, or "
        "make a CSV file of text and label",
        "data.path",
        folder=folder,
        count=len(lines),
    )


def _is_table_name(entry: Entry) -> bool:
    return not is_hidden(entry.name) and not NOT_DATA.match(whole_stem(entry.inner))


def is_text_name(entry: Entry) -> bool:
    """Whether a file may be a plain text, by its name."""
    name = entry.inner.name
    return bool(TEXT_NAMES.search(name)) and not PART.fullmatch(name) and not NOT_DATA.match(whole_stem(entry.inner))


def _class_folders(plain: list[Entry]) -> Texts | None:
    """Recognises a folder per class with a file per text, with or without folders of splits above."""
    counts = Counter(entry.inner.parent for entry in plain)
    above = {ancestor for parent in counts for ancestor in parent.parents}
    places = {parent: ("", "") if parent in above else _place(parent) for parent in counts}
    labels = {label for parent, (_, label) in places.items() if label and label.lower() not in WITHOUT_CLASS}
    several = [parent for parent, (_, label) in places.items() if label and counts[parent] > 1]
    if len(labels) < 2 or len(several) < 2 or len(several) * 2 < len([p for p in places.values() if p[1]]):
        return None
    inside = [entry for entry in plain if places[entry.inner.parent][1]]
    step = max(1, len(inside) // SAMPLE_FILES)
    sample = inside[::step]
    if sum(map(_is_table, sample)) * 2 > len(sample):
        return None
    # Texts without a class: those beside the folders of classes, or in the folder of a split.
    left_out = {p: counts[p] for p in counts if not places[p][1] and (_place(p)[1] if p in above else p.parts)}
    return _sorted_in(inside, places, Counter({p.as_posix(): count for p, count in left_out.items()}))


def _sorted_in(inside: list[Entry], places: dict[PurePosixPath, tuple[str, str]], without: Counter[str]) -> Texts:
    """Collects the texts by split and class, with notes. without: folder → texts that have no class"""
    texts = Texts(per_line=False)
    for entry in inside:
        split, label = places[entry.inner.parent]
        if label.lower() in WITHOUT_CLASS:
            without[entry.inner.parent.as_posix()] += 1
        else:
            texts.add(split, label, entry)
    for name, count in without.most_common(MAX_NOTES):
        texts.notes.append(
            Note.of(
                "texts-without-class-left-out",
                "Left out, without a class: {count:text|texts} in {folder}.",
                "warning",
                count=count,
                folder=name,
            )
        )
    note = Note.of(
        "files-are-texts",
        "Each file is one text, and the name of its folder is its class: {classes}.",
        classes=_class_list(texts),
    )
    texts.notes.insert(0, note)
    return texts


def _place(parent: PurePosixPath) -> tuple[str, str]:
    """Returns the split and the class that a folder of texts stands for; an empty class if there is none."""
    if key_values(parent / "file"):
        return "train", ""  # columns of a table
    label = next((part for part in reversed(parent.parts) if not is_split_word(part)), "")
    others = [part for part in reversed(parent.parts) if part != label]
    split = next((word for word in map(split_of, others) if word), "train")
    if label and split_of(label) and _is_wrapper(label):
        return split_of(label) or split, ""
    return split, label


def _is_wrapper(name: str) -> bool:
    """Whether a folder's name is a dataset's name followed by a split: 20news-bydate-train."""
    return any(
        name.lower().endswith(f"{mark}{word}") for mark in "-_." for words in SPLIT_WORDS.values() for word in words
    )


def _class_files(lines: list[Entry]) -> Texts | None:
    """Recognises a file per class with a text per line: pos.txt and neg.txt, train_pos.txt or train/pos.txt."""
    texts = Texts(per_line=True)
    for entry in lines:
        stem = whole_stem(entry.inner)
        split = split_of(stem) or next((w for w in map(split_of, reversed(entry.inner.parts[:-1])) if w), None)
        label = re.sub(_split_words(), "", stem, flags=re.IGNORECASE) if split_of(stem) else stem
        label = SHARD.sub("", label).strip("-_. ")
        if not label:
            return None
        texts.add(split or "train", label, entry)
    files = len(texts.entries)
    if len(texts.classes) < 2 or files > MAX_CLASS_FILES or sum(_lines(e) > 1 for e in lines) * 2 < files:
        return None
    texts.notes.append(
        Note.of(
            "lines-are-texts",
            "Each line is one text, and the name of its file is its class: {classes}.",
            classes=_class_list(texts),
        )
    )
    if joined := [names for classes in texts.splits.values() for names in classes.values() if len(names) > 1]:
        parts = "; ".join(", ".join(entry.name for entry in names[:4]) for names in joined[:3])
        texts.notes.append(
            Note.of(
                "files-joined-to-class",
                "Files whose names differ in a number are parts of one class: {parts}.",
                "warning",
                parts=parts,
            )
        )
    return texts


def _split_words() -> str:
    words = "|".join(sorted((w for words in SPLIT_WORDS.values() for w in words), key=len, reverse=True))
    return rf"(?<![a-z])({words})(?![a-z])"


def _check_parallel(lines: list[Entry], folder: str) -> None:
    """Raises DataError for texts and labels in separate files, where only the line number joins text and label."""
    parallel = [e for e in lines if PARALLEL.intersection(re.split(r"[^a-z]+", whole_stem(e.inner).lower()))]
    names = ", ".join(e.name for e in parallel[:4])
    if len(parallel) >= 2 or (parallel and len(lines) == 2):
        raise DataError.of(
            "texts-and-labels-apart",
            "the folder {folder!r} has texts and labels in separate files ({files}); bring them "
            "together into one table with a column for each",
            "data.path",
            folder=folder,
            files=names,
        )


def _class_list(texts: Texts) -> str:
    """The number of classes and their names, for a note: "2 classes (neg, pos)"."""
    classes = texts.classes
    names = ", ".join(classes[:6]) + (f" and {len(classes) - 6:,} more" if len(classes) > 6 else "")
    return f"{counted(len(classes), 'class', 'classes')} ({names})"


def _head(entry: Entry) -> str:
    try:
        with entry.path.open("rb") as file:
            return file.read(SAMPLE_BYTES).decode("utf-8", "replace")
    except OSError:
        return ""


def _lines(entry: Entry) -> int:
    return sum(bool(line.strip()) for line in _head(entry).splitlines())


def _is_table(entry: Entry) -> bool:
    """Whether a .txt file looks like rows of columns, JSON or fastText's labels rather than prose."""
    head = _head(entry)
    if head.lstrip("\ufeff \r\n\t").startswith(("{", "[{", "__label__")):
        return True
    lines = [line for line in head.splitlines()[:-1] or head.splitlines() if line.strip()][:50]
    if len(lines) < 2:
        return False
    counts = {mark: {line.count(mark) for line in lines} for mark in "\t;|"}
    if any(len(c) == 1 and 0 not in c for c in counts.values()) or all("\t" in line for line in lines):
        return True
    commas = {line.count(",") for line in lines}
    return (len(commas) == 1 and 0 not in commas) or (
        bool(re.match(r"[\w ]{1,30}(,[\w ]{1,30})+$", lines[0])) and all("," in line for line in lines)
    )
