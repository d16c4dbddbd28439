"""The pretrained encoders that are proposed: their facts, with the sources, in one table.

Every model here has its weights as safetensors and a tokenizer.json, loads without code of its own, and needs no
package beyond the plain install. Models whose repositories hold pickled weights only are left out, good as they are:
microsoft/deberta-v3-* and mdeberta (which have no tokenizer.json either), jhu-clsp/mmBERT-* and ettin-encoder-*,
BAAI/bge-m3. So are models whose tokenizers need a word splitter, such as tohoku-nlp/bert-base-japanese.

Sources of all facts: the model's card and config.json at https://huggingface.co/ID. `strength` puts models in order: it
follows the GLUE averages in Warner et al. 2024 (arXiv 2412.13663, table 1: BERT-base 84.7, RoBERTa-base 86.4,
ModernBERT-base 88.4, RoBERTa-large 88.9, ModernBERT-large 90.4) and Sanh et al. 2019 (arXiv 1910.01108: DistilBERT
keeps 97 % of BERT), for many languages the XNLI averages in Conneau et al. 2020 (arXiv 1911.02116), and for Japanese
the averages over twelve tasks in the cards of sbintuitions/modernbert-ja. `compares` counts with few rows: Tunstall et
al. 2022 (arXiv 2209.11055).
"""

from __future__ import annotations

from typing import NamedTuple

MANY = "many"  # the language of a model that knows about a hundred
GATED = {"modernbert", "eurobert", "llama", "mistral", "qwen2", "qwen3"}  # three matrices per feed-forward layer


class Shape(NamedTuple):
    """What decides the time of a step. hidden: width; inner: width of the feed-forward layer; layers: their number."""

    hidden: int
    inner: int
    layers: int
    gated: bool = False

    @property
    def weights(self) -> int:
        """Weights that every token passes through: all but the embeddings."""
        return self.layers * (4 * self.hidden**2 + (3 if self.gated else 2) * self.hidden * self.inner)


class Entry(NamedTuple):
    """A model of the catalogue.

    name: as a spec gives it; model_type: of its config.json; language: its code, MANY, or empty if unknown
    parameters: the number of all weights; licence: empty if unknown
    longest: tokens of a text, None without a limit; size: bytes of the weights
    strength: a stronger model learns better from the same rows
    compares: whether it was trained to put texts of like meaning together, so that few rows teach it much
    """

    name: str
    model_type: str
    language: str
    parameters: int
    shape: Shape
    longest: int | None
    size: int
    licence: str
    strength: float
    compares: bool = False


M = 1_000_000
APACHE, MIT = "Apache-2.0", "MIT"
MINI_6, MINI_12 = Shape(384, 1536, 6), Shape(384, 1536, 12)
HALF, BASE, LARGE = Shape(768, 3072, 6), Shape(768, 3072, 12), Shape(1024, 4096, 24)

CATALOGUE: tuple[Entry, ...] = (
    Entry(
        "sentence-transformers/all-MiniLM-L6-v2", "bert", "en", 23 * M, MINI_6, 512, 91 * M, APACHE, 1.0, compares=True
    ),
    Entry("BAAI/bge-small-en-v1.5", "bert", "en", 33 * M, MINI_12, 512, 133 * M, MIT, 1.5, compares=True),
    Entry("distilbert/distilbert-base-uncased", "distilbert", "en", 66 * M, HALF, 512, 268 * M, APACHE, 2.0),
    Entry("BAAI/bge-base-en-v1.5", "bert", "en", 109 * M, BASE, 512, 438 * M, MIT, 2.5, compares=True),
    Entry("google-bert/bert-base-cased", "bert", "en", 108 * M, BASE, 512, 436 * M, APACHE, 2.5),
    Entry("google-bert/bert-base-uncased", "bert", "en", 109 * M, BASE, 512, 440 * M, APACHE, 2.6),
    Entry("FacebookAI/roberta-base", "roberta", "en", 125 * M, BASE, 512, 499 * M, MIT, 3.0),
    Entry(
        "answerdotai/ModernBERT-base",
        "modernbert",
        "en",
        149 * M,
        Shape(768, 1152, 22, gated=True),
        8192,
        599 * M,
        APACHE,
        3.5,
    ),
    Entry("FacebookAI/roberta-large", "roberta", "en", 355 * M, LARGE, 512, 1420 * M, MIT, 4.0),
    Entry(
        "answerdotai/ModernBERT-large",
        "modernbert",
        "en",
        395 * M,
        Shape(1024, 2624, 28, gated=True),
        8192,
        1580 * M,
        APACHE,
        4.5,
    ),
    Entry(
        "distilbert/distilbert-base-multilingual-cased", "distilbert", MANY, 135 * M, HALF, 512, 542 * M, APACHE, 1.4
    ),
    Entry("intfloat/multilingual-e5-small", "bert", MANY, 118 * M, MINI_12, 512, 471 * M, MIT, 1.5, compares=True),
    Entry("google-bert/bert-base-multilingual-cased", "bert", MANY, 178 * M, BASE, 512, 714 * M, APACHE, 1.8),
    Entry("FacebookAI/xlm-roberta-base", "xlm-roberta", MANY, 278 * M, BASE, 512, 1120 * M, MIT, 2.5),
    Entry("intfloat/multilingual-e5-base", "xlm-roberta", MANY, 278 * M, BASE, 512, 1110 * M, MIT, 2.6, compares=True),
    Entry("FacebookAI/xlm-roberta-large", "xlm-roberta", MANY, 560 * M, LARGE, 512, 2240 * M, MIT, 4.0),
    Entry(
        "sbintuitions/modernbert-ja-30m",
        "modernbert",
        "ja",
        37 * M,
        Shape(256, 1024, 10, gated=True),
        8192,
        148 * M,
        MIT,
        1.6,
    ),
    Entry(
        "sbintuitions/modernbert-ja-70m",
        "modernbert",
        "ja",
        70 * M,
        Shape(384, 1536, 13, gated=True),
        8192,
        280 * M,
        MIT,
        2.4,
    ),
    Entry(
        "sbintuitions/modernbert-ja-130m",
        "modernbert",
        "ja",
        132 * M,
        Shape(512, 2048, 19, gated=True),
        8192,
        531 * M,
        MIT,
        3.2,
    ),
    Entry(
        "sbintuitions/modernbert-ja-310m",
        "modernbert",
        "ja",
        315 * M,
        Shape(768, 3072, 25, gated=True),
        8192,
        1260 * M,
        MIT,
        4.0,
    ),
    Entry("BAAI/bge-small-zh-v1.5", "bert", "zh", 24 * M, Shape(512, 2048, 4), 512, 96 * M, MIT, 1.6, compares=True),
    Entry("google-bert/bert-base-chinese", "bert", "zh", 102 * M, BASE, 512, 412 * M, APACHE, 2.8),
    Entry("klue/bert-base", "bert", "ko", 111 * M, BASE, 512, 445 * M, "CC-BY-SA-4.0", 2.8),
    Entry("distilbert/distilbert-base-german-cased", "distilbert", "de", 67 * M, HALF, 512, 270 * M, APACHE, 2.0),
    Entry("google-bert/bert-base-german-cased", "bert", "de", 109 * M, BASE, 512, 439 * M, MIT, 2.7),
    Entry("almanach/camembert-base", "camembert", "fr", 111 * M, BASE, 512, 445 * M, MIT, 2.8),
    Entry(
        "cointegrated/rubert-tiny2", "bert", "ru", 29 * M, Shape(312, 600, 3), 2048, 117 * M, MIT, 1.2, compares=True
    ),
)
BY_NAME = {entry.name: entry for entry in CATALOGUE}


def strength_of(weights: int) -> float:
    """A guess for models outside the catalogue, from the weights that every token passes through."""
    steps = ((15 * M, 1.0), (60 * M, 1.8), (150 * M, 2.5))
    return next((strength for most, strength in steps if weights < most), 3.5)
