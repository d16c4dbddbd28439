"""Figures of a dataset: no label or text is left out, none is read as markup, the cut is where it says."""

import numpy as np
import pandas as pd
import pytest

from core.figures.data import label_bars, length_histogram


def counts(**numbers: int) -> pd.DataFrame:
    return pd.DataFrame({"label": list(numbers), "count": list(numbers.values())})


def test_bars_show_every_label_with_its_share() -> None:
    (bars,) = label_bars({"train": counts(good=30, bad=10)}, shares=False).data
    assert list(bars.x) == ["good", "bad"] and list(bars.y) == [30, 10]
    assert list(bars.text) == ["75.0%", "25.0%"]


def test_splits_are_compared_by_share_and_miss_no_label() -> None:
    train, test = label_bars({"train": counts(a=3, b=1), "test": counts(b=5, c=5)}, shares=True).data
    assert list(train.x) == list(test.x) == ["a", "b", "c"]
    assert list(train.y) == [0.75, 0.25, 0] and list(test.y) == [0, 0.5, 0.5]


def test_many_labels_lie_and_the_rest_counts_without_a_bar() -> None:
    frame = counts(**{f"label{i}": 1 for i in range(20)}, rest=80)
    (bars,) = label_bars({"train": frame}, shares=False, most=15, without="rest").data
    assert bars.orientation == "h" and len(bars.y) == 15 and bars.text[0] == "1.0%"


def test_labels_are_no_markup() -> None:
    (bars,) = label_bars({"<i>s</i>": counts(**{"<b>x</b>": 1, "$y$": 1})}, shares=False).data
    assert all("<" not in name and "$" not in name for name in bars.x) and "<" not in bars.name


@pytest.mark.parametrize("longest", [16, 128, 130, 5_000])
def test_bars_hold_every_text_and_none_is_half_cut(longest: int) -> None:
    lengths = np.random.default_rng(1).lognormal(4.5, 0.8, 3_000).astype(int)
    whole, cut = length_histogram(lengths, longest).data
    assert sum(whole.y) + sum(cut.y) == len(lengths)
    # A text of exactly the longest length is read whole, but lies in the first bar after the line.
    assert sum(cut.y) == (lengths >= longest).sum()


def test_a_histogram_of_few_short_texts() -> None:
    figure = length_histogram(np.array([3, 3, 4]), 128)
    assert sum(figure.data[0].y) == 3 and not figure.layout.shapes
