"""What the Hub accepts in a model card's metadata: licences, languages, ids; and reading that metadata safely.

Sources: https://huggingface.co/docs/hub/model-cards, https://huggingface.co/docs/hub/repositories-licenses, and the
expression by which the Hub finds the metadata (`huggingface_hub.repocard.REGEX_YAML_BLOCK`).
"""

from __future__ import annotations

import math
import re
from collections.abc import Hashable
from typing import Any

import yaml

from core.errors import Problem, SpecError

BLOCK = re.compile(r"^(\s*---(?:\r\n|\r|\n))([\S\s]*?)((?:\r\n|\r|\n)---[ \t]*(\r\n|\n|$))")
LANGUAGE = re.compile(r"[a-z]{2,3}")
SPECIAL_LANGUAGES = ("code", "multilingual")
LICENCE_NAME = re.compile(r"[a-z0-9][a-z0-9.+-]{0,99}")
HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]{0,95}(/[A-Za-z0-9][\w.-]{0,95})?")

# The ones that people choose most, first; then all that the Hub knows.
COMMON_LICENCES = {
    "apache-2.0": "Apache License 2.0",
    "mit": "MIT",
    "cc-by-4.0": "Creative Commons Attribution 4.0",
    "cc-by-sa-4.0": "Creative Commons Attribution, share alike 4.0",
    "cc-by-nc-4.0": "Creative Commons Attribution, not commercial 4.0",
    "cc0-1.0": "Creative Commons Zero: no rights kept",
    "bsd-3-clause": "BSD, three clauses",
    "gpl-3.0": "GNU General Public License 3",
    "agpl-3.0": "GNU Affero General Public License 3",
    "mpl-2.0": "Mozilla Public License 2.0",
    "openrail": "OpenRAIL",
    "other": "Another one, named in the card",
    "unknown": "Not known",
}
LICENCES = frozenset(COMMON_LICENCES) | frozenset(
    [
        "bigscience-openrail-m",
        "creativeml-openrail-m",
        "bigscience-bloom-rail-1.0",
        "bigcode-openrail-m",
        "afl-3.0",
        "artistic-2.0",
        "bsl-1.0",
        "bsd",
        "bsd-2-clause",
        "bsd-3-clause-clear",
        "c-uda",
        "cc",
        "cc-by-2.0",
        "cc-by-2.5",
        "cc-by-3.0",
        "cc-by-sa-3.0",
        "cc-by-nc-2.0",
        "cc-by-nc-3.0",
        "cc-by-nd-4.0",
        "cc-by-nc-nd-3.0",
        "cc-by-nc-nd-4.0",
        "cc-by-nc-sa-2.0",
        "cc-by-nc-sa-3.0",
        "cc-by-nc-sa-4.0",
        "cdla-sharing-1.0",
        "cdla-permissive-1.0",
        "cdla-permissive-2.0",
        "wtfpl",
        "ecl-2.0",
        "epl-1.0",
        "epl-2.0",
        "etalab-2.0",
        "eupl-1.1",
        "eupl-1.2",
        "gfdl",
        "gpl",
        "gpl-2.0",
        "lgpl",
        "lgpl-2.1",
        "lgpl-3.0",
        "isc",
        "h-research",
        "intel-research",
        "lppl-1.3c",
        "ms-pl",
        "apple-ascl",
        "apple-amlr",
        "odc-by",
        "odbl",
        "openmdw-1.0",
        "openrail++",
        "osl-3.0",
        "postgresql",
        "ofl-1.1",
        "ncsa",
        "unlicense",
        "zlib",
        "pddl",
        "lgpl-lr",
        "deepfloyd-if-license",
        "fair-noncommercial-research-license",
        "llama2",
        "llama3",
        "llama3.1",
        "llama3.2",
        "llama3.3",
        "llama4",
        "grok2-community",
        "gemma",
    ]
)
# Of the models that the New run page suggests.
KNOWN_MODELS = {
    "google-bert/bert-base-cased": "apache-2.0",
    "google-bert/bert-base-uncased": "apache-2.0",
    "distilbert/distilbert-base-uncased": "apache-2.0",
    "distilbert/distilbert-base-cased": "apache-2.0",
    "distilbert/distilbert-base-multilingual-cased": "apache-2.0",
    "answerdotai/ModernBERT-base": "apache-2.0",
    "sentence-transformers/all-MiniLM-L6-v2": "apache-2.0",
    "FacebookAI/xlm-roberta-base": "mit",
    "sbintuitions/modernbert-ja-130m": "mit",
}


class _Loader(yaml.SafeLoader):
    """YAML without aliases, which can expand to gigabytes, and without a key that stands twice."""

    def compose_node(self, parent: Any, index: int) -> Any:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("aliases (*name) are not allowed; write the value out")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        twice = next((key for place, key in enumerate(keys) if key in keys[:place]), None)
        if twice is not None:
            raise yaml.YAMLError(f"{twice!r} stands twice; keep one of them")
        return super().construct_mapping(node, deep)


def divided(text: str) -> tuple[str, str] | None:
    """The metadata block and what follows it; None if there is no block."""
    match = BLOCK.search(text.removeprefix("\ufeff"))
    return (match[2], text.removeprefix("\ufeff")[match.end() :]) if match else None


def metadata(text: str) -> dict[str, Any]:
    """What a card's metadata says. Raises SpecError if there is none, or it cannot be read."""
    parts = divided(text)
    if parts is None:
        raise SpecError(
            [
                Problem.of(
                    "card-without-metadata",
                    "the card has no metadata; it must begin with a line ---, the metadata, and a line ---",
                    "",
                )
            ]
        )
    try:
        tree = yaml.load(parts[0], Loader=_Loader)
    except (yaml.YAMLError, RecursionError, ValueError, TypeError) as error:
        mark, reason = getattr(error, "problem_mark", None), getattr(error, "problem", None) or str(error)
        raise SpecError([_not_yaml(reason, None if mark is None else mark.line + 2)]) from None
    if not isinstance(tree, dict):
        raise SpecError(
            [
                Problem.of(
                    "card-metadata-not-names",
                    "the metadata is no list of names and values; write it as name: value, a line each",
                    "",
                )
            ]
        )
    return tree


def _not_yaml(reason: str, line: int | None) -> Problem:
    """line: of the card, where it is known"""
    if line is None:
        return Problem.of("card-metadata-not-yaml", "the metadata is not YAML: {reason}", "", reason=reason)
    return Problem.of(
        "card-metadata-not-yaml-at",
        "the metadata is not YAML (line {line} of the card): {reason}",
        "",
        line=line,
        reason=reason,
    )


def problems(metadata: dict[str, Any]) -> list[Problem]:
    """What the Hub would refuse, or not understand, in a card's metadata."""
    problems = [
        *_licence(metadata.get("license"), metadata.get("license_name")),
        *_languages(metadata.get("language")),
        *_ids("base_model", metadata.get("base_model"), "a model"),
        *_ids("datasets", metadata.get("datasets"), "a dataset"),
        *_texts("tags", metadata.get("tags")),
        *_texts("metrics", metadata.get("metrics")),
    ]
    return problems + _index(metadata)


def _listed(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]


def _licence(value: Any, name: Any) -> list[Problem]:
    problems = [
        Problem.of(
            "card-licence-unknown",
            "{value} is no licence that the Hub knows; use one such as apache-2.0, mit or other",
            "license",
            value=_short(one),
        )
        for one in _listed(value)
        if one not in LICENCES
    ]
    if name is not None and not (isinstance(name, str) and LICENCE_NAME.fullmatch(name)):
        problems.append(
            Problem.of(
                "card-licence-name",
                "{value} has more than small letters, digits, dots and dashes; shorten it so",
                "license_name",
                value=_short(name),
            )
        )
    return problems


def _languages(value: Any) -> list[Problem]:
    problems = []
    for one in _listed(value):
        if isinstance(one, bool):
            problems.append(
                Problem.of(
                    "card-language-truth-value",
                    "no and yes are read as a truth value; put the code in quotes, as in 'no'",
                    "language",
                )
            )
        elif not (isinstance(one, str) and (LANGUAGE.fullmatch(one) or one in SPECIAL_LANGUAGES)):
            problems.append(
                Problem.of(
                    "card-language-unknown",
                    "{value} is no language code; use two or three small letters, such as en or ja",
                    "language",
                    value=_short(one),
                )
            )
    return problems


def _ids(field: str, value: Any, what: str) -> list[Problem]:
    return [
        Problem.of(
            "card-not-an-id",
            "{value} is not the id of {what} on the Hub; write owner/name, or take the line out",
            field,
            value=_short(one),
            what=what,
        )
        for one in _listed(value)
        if not is_id(one)
    ]


def is_id(value: Any) -> bool:
    """Whether something has the form of a repository's id."""
    return isinstance(value, str) and bool(HUB_ID.fullmatch(value)) and ".." not in value and "--" not in value


def _texts(field: str, value: Any) -> list[Problem]:
    return [
        Problem.of("card-not-a-text", "{value} is no text; put it in quotes", field, value=_short(one))
        for one in _listed(value)
        if not isinstance(one, str)
    ]


def _index(metadata: dict[str, Any]) -> list[Problem]:
    """Whether the results can be read the way the Hub reads them."""
    from huggingface_hub import ModelCardData

    if "model-index" not in metadata:
        return []
    try:
        read = ModelCardData(**{str(key): value for key, value in metadata.items()}).eval_results or []
    except (ValueError, TypeError, AttributeError, KeyError) as error:
        return [
            Problem.of(
                "card-results-unreadable",
                "the results cannot be read ({reason}); leave them as they were made",
                "model-index",
                reason=error,
            )
        ]
    return [
        Problem.of(
            "card-result-not-finite",
            "{value}, the value of {metric}, is no finite number",
            "model-index",
            value=_short(one.metric_value),
            metric=_short(one.metric_type),
        )
        for one in read
        if not _is_value(one.metric_value)
    ]


def _is_value(value: Any) -> bool:
    """The Hub takes numbers, and texts such as 0.8 ± 0.1."""
    if isinstance(value, str):
        return bool(value.strip())
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:57]}…"
