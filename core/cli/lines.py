"""Results as lines for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from core.data.inspecting.statistics import Profile, SplitStatistics
from core.evaluation.fast import words
from core.evaluation.verdict import advantage
from core.tasks.contract import Task
from core.tasks.evaluations import Comparison, Evaluation, Pair
from core.tasks.results import Report
from core.wording import counted, language_name, metric_title, metric_words, number, part_of, score, sentence


def report_lines(report: Report) -> list[str]:
    """What came of a training run."""
    compared = report.baseline.metrics
    lines = [f"Judged on {counted(report.examples, 'example')} it was not trained on"]
    for name, value in report.metrics.items():
        if name == "loss":
            continue
        always = f"  (always “{report.baseline.label}”: {score(compared[name])})" if name in compared else ""
        lines.append(f"  {metric_title(name):<22} {score(value)}{always}")
    main, rivals = report.main_metric, report.rivals
    for rival, name in ((rivals.frozen_encoder, "linear on the frozen model"), (rivals.bag_of_words, "bag of words")):
        if rival is not None and main in rival.metrics:
            learned = counted(rival.train_examples, "example")
            lines.append(f"  {name}: {metric_words(main)} {score(rival.metrics[main])}, learned from {learned}")
    if report.advice:
        lines += ["What to try next", *(f"  - {sentence(tip.text)}" for tip in report.advice)]
    return lines


def evaluation_lines(evaluation: Evaluation) -> list[str]:
    """A model judged on the examples of one split."""
    task, bag = Task(evaluation.task), evaluation.baselines.bag_of_words
    baseline = task.facts.BASELINE
    examples = counted(evaluation.examples, "example")
    lines = [f"{evaluation.title} on {examples} {part_of(evaluation.held_out)} {evaluation.split}"]
    if evaluation.fast is not None:
        lines.append(words.note(evaluation.fast))
    for name in evaluation.metric_names:
        low, high = evaluation.interval(name)
        beside = f"{baseline} {score(evaluation.baseline_metrics[name])}"
        beside += f", bag of words {score(bag.metrics[name])}" if bag else ""
        value = score(evaluation.metrics[name])
        lines.append(f"  {metric_title(name):<22} {value}  ({score(low)} to {score(high)}; {beside})")
    for group in evaluation.slices.worst[:3]:
        metric = metric_words(task.evaluation.SCORE)
        lines.append(f"  hard: {group.name}: {metric} {group.score:.3f} on {counted(group.count, 'example')}")
    lines += task.evaluation.lines(evaluation)
    if evaluation.final_test:
        lines.append(f"  This final test has been looked at {counted(evaluation.final_test.looks, 'time')}.")
    return lines


def comparison_lines(comparison: Comparison) -> list[str]:
    """Models side by side, on the examples that all of them were judged on."""
    main, models = comparison.decisive_metric, comparison.models
    exact = Task(comparison.task).evaluation.RIGHT_OR_WRONG
    examples = counted(comparison.examples, "example")
    lines = [f"{counted(len(models), 'model')} on {examples} of {comparison.split} of {comparison.dataset.title}"]
    for model in models:
        low, high = model.intervals[main]
        lines.append(
            f"  {metric_title(main)} {score(model.metrics[main])}  ({score(low)} to {score(high)})  {model.title}"
        )
    for model, pair in zip(models[1:], comparison.pairs, strict=True):
        lines.append(_difference(pair, models[0].title, model.title, main, exact))
    lines.append(f"All of them are wrong on {counted(comparison.all_wrong, 'example')}.")
    return lines


def _difference(pair: Pair, first: str, other: str, main: str, exact: bool) -> str:
    """exact: whether an answer is right or wrong, and not better or worse"""
    gap, test, metric = pair.difference[main], pair.mcnemar, metric_title(main)
    span = f"{gap.value:+.3f} ({gap.low:+.3f} to {gap.high:+.3f})"
    counts = f"only it is right {counted(test.gains, 'time')}, only the first {counted(test.losses, 'time')}"
    if not exact:
        counts = f"its answer is better {counted(test.gains, 'time')}, the first's {counted(test.losses, 'time')}"
    outcome = advantage(gap, main)
    if outcome == "better":
        return f"{other} is better than {first}: {metric} {span}; {counts}."
    if outcome == "worse":
        return f"{other} is worse than {first}: {metric} {span}; {counts}."
    return f"{other} and {first} cannot be told apart: {metric} {span}; {counts}."


def profile_lines(profile: Profile) -> list[str]:
    """What is in a dataset."""
    texts, label = ", ".join(profile.text_columns) or "none", profile.label_column or "none"
    lines = [f"{profile.title}: text {texts}, label {label}"]
    lines += [f"Warning: {note.text}" if note.level == "warning" else note.text for note in profile.notes]
    for name, split in profile.splits.items():
        lines += [f"\n{name}: {counted(split.rows, 'row')}", *_split_lines(split)]
    if profile.recommended_max_length:
        lines.append(f"\nA longest text of {profile.recommended_max_length} tokens cuts few or no texts.")
    return lines


def _split_lines(split: SplitStatistics) -> Iterator[str]:
    if split.labels:
        items = ", ".join(f"{entry.label} {entry.rows:,}" for entry in split.labels[:12])
        yield f"  labels     {items}{' …' if len(split.labels) > 12 else ''}"
    for column, text in split.texts.items():
        for unit, lengths in (("characters", text.characters), ("words", text.words)):
            yield (
                f"  {unit:<10} {column}: median {number(lengths.median)}, 95% up to {number(lengths.p95)}, "
                f"longest {number(lengths.max)}; {counted(text.empty, 'text')} empty"
            )
    if (tokens := split.tokens) is not None:
        of = f"a sample of {tokens.rows:,} of {tokens.of:,} rows" if tokens.is_sample else "all rows"
        cut = ", ".join(f"{length} cuts {share:.1%}" for length, share in tokens.cut.items() if share)
        yield (
            f"  tokens     median {number(tokens.median)}, 95% up to {number(tokens.p95)} ({of}); "
            f"{tokens.unknown:.2%} unknown; {cut or 'nothing is cut at 32'}"
        )
    if (languages := split.languages) is not None:
        counts = list(languages.likely.items())[:5]
        items = ", ".join(f"{language_name(code)} {n / languages.rows:.0%}" for code, n in counts)
        yield f"  languages  {items} (of {counted(languages.rows, 'row')})"
    for column, values in split.columns.items():
        if values.missing:
            yield f"  missing    {column}: {values.missing:,}"
