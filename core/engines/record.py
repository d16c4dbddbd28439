"""What an engine has done and measured so far: told to the reporter, and kept so that a resumed run knows it too."""

from __future__ import annotations

import json
import logging
import math
import time
from collections.abc import Callable
from pathlib import Path

from core.engines.timetable import Timetable
from core.errors import DataError, ModelError
from core.events import Reporter
from core.files import finite, write_text
from core.messages import Message
from core.runs.checkpoints import RECORD, damaged, path_of, prune, writing
from core.runs.history import HISTORY, History
from core.spec.run import RunSpec
from core.tasks import metrics_of
from core.tasks.frozen import read_start
from core.wording import counted

logger = logging.getLogger(__name__)


class Record:
    """The same for every engine, which calls, in this order, at each step:

        step_done                      always
        trained                        where the timetable logs
        evaluated                      where it evaluates
        saved                          after a checkpoint, which is due at `timetable.saves` or if `evaluated` said so

    and then looks at `should_stop`. `step` is the last step done, `best_step` that of the best evaluation. A resumed
    run first makes up the evaluation that its stop cut off, if `evaluation_due`, and calls `caught_up`.
    """

    def __init__(self, spec: RunSpec, timetable: Timetable, data: str, report: Reporter) -> None:
        """data: the fingerprint of the encoded examples; a run does not resume on others."""
        self.spec, self.timetable, self.data, self.report = spec, timetable, data, report
        self.step = 0
        self.best_step: int | None = None
        self.larger_is_better = metrics_of(spec.task)[spec.evaluation.metric_for_best_model].larger_is_better
        self.best_value = self._worst_value
        self.without_improvement = 0
        self.diverged_at: int | None = None
        self.log: list[dict[str, float]] = []
        self.unlogged = (0.0, 0)  # the losses of the steps since the last point of the curve: their sum and number
        self._measured = 0
        self.start_clock()

    def resume(self, checkpoint: Path) -> None:
        """Take up what a checkpoint's run had measured. Raises DataError if its examples were others."""
        try:
            saved = json.loads((checkpoint / RECORD).read_text(encoding="utf-8"))
        except ValueError as error:
            raise damaged(checkpoint) from error
        if saved["data"] != self.data:
            raise DataError.of(
                "dataset-changed",
                "the dataset has changed since this run began, so it cannot go on where it was; start a "
                "new run with the same settings",
                "data.path",
            )
        self.step, self.best_step, self.without_improvement = saved["step"], saved["best_step"], saved["without"]
        self.best_value = self._worst_value if saved["best_value"] is None else saved["best_value"]
        self.log = saved["log"]
        self.unlogged, self._measured = tuple(saved.get("unlogged", (0.0, 0))), self.step
        self.report.restore(self.log)
        self.report.message(
            f"Resumed after step {self.step:,} of {self.timetable.total:,}.",
            code="resumed",
            step=self.step,
            steps=self.timetable.total,
        )

    def count_start(self, run_dir: Path, write: Callable[[Path], None]) -> None:
        """Count the model as it starts, with a head fitted to it, as the first evaluation, and keep it to return to.

        write: puts the model into the folder of a checkpoint, as the engine reads it from there
        """
        start = read_start(run_dir)
        if start is None or self.timetable.training.eval_strategy == "no":
            return
        if self.evaluated({name: math.nan if value is None else value for name, value in start.metrics.items()}):
            with writing(run_dir, 0) as partial:
                write(partial)
                self.save(partial)
            self.report.checkpoint(path_of(run_dir, 0), 0, best=True)

    def begin(self) -> None:
        """Before the first step."""
        self.report.phase(Message("Training", "training"))
        self.report.progress(self.step, self.timetable.total, self.timetable.epoch(self.step) if self.step else 0.0)
        self.start_clock()

    def start_clock(self) -> None:
        """Speed is of training alone: the clock starts anew after each evaluation and checkpoint."""
        self._since, self._steps, self._examples, self._tokens = time.perf_counter(), 0, 0, 0

    def step_done(self, examples: int, tokens: int) -> None:
        """One more step, on this many examples with this many tokens (padding not counted)."""
        self.step += 1
        self._steps, self._examples, self._tokens = self._steps + 1, self._examples + examples, self._tokens + tokens
        self.report.progress(self.step, self.timetable.total, self.timetable.epoch(self.step))

    def trained(self, loss: float, learning_rate: float, grad_norm: float) -> None:
        """loss: the mean over the steps since the last call, or since the checkpoint; grad_norm: before clipping.

        At a stop between two points of the curve it is kept for the next one, which a resumed run comes to.
        """
        before, count = self.unlogged
        steps, self._measured = self.step - self._measured, self.step
        self.unlogged = (before + loss * steps, count + steps)
        if not math.isfinite(loss) and self.diverged_at is None:
            self.diverged_at = self.step
        elif not self.timetable.logs(self.step):
            return
        if count:
            loss = self.unlogged[0] / self.unlogged[1]
        self.unlogged = (0.0, 0)
        values = {"loss": loss, "learning_rate": learning_rate, "grad_norm": grad_norm}
        if self._steps >= min(self.spec.training.logging_steps, 5):
            seconds = time.perf_counter() - self._since
            values["examples_per_second"] = self._examples / seconds
            values["tokens_per_second"] = self._tokens / seconds
            self.start_clock()
        self._tell(values)
        logger.info("step %d of %d: %s", self.step, self.timetable.total, _in_words(values))

    def evaluated(self, metrics: dict[str, float]) -> bool:
        """metrics: `loss` and the spec's metrics, without prefix. Whether a checkpoint must keep this new best."""
        self._tell({f"eval_{name}": value for name, value in metrics.items()})
        logger.info("evaluation at step %d: %s", self.step, _in_words(metrics))
        value = metrics[self.spec.evaluation.metric_for_best_model]
        improved = self._is_better(value, by=self.spec.evaluation.early_stopping_threshold)
        self.without_improvement = 0 if improved or self.best_step is None else self.without_improvement + 1
        is_best = self._is_better(value)
        if is_best:
            self.best_value, self.best_step = value, self.step
        if not self.timetable.ends(self.step):
            self.report.phase(Message("Training", "training"))
        self.start_clock()
        return is_best and self.spec.training.load_best_model_at_end

    @property
    def _worst_value(self) -> float:
        return -math.inf if self.larger_is_better else math.inf

    def _is_better(self, value: float, by: float = 0.0) -> bool:
        """Whether a value of the main metric is better than the best so far, by more than this."""
        return value > self.best_value + by if self.larger_is_better else value < self.best_value - by

    def save(self, partial: Path) -> None:
        """Write the record into a checkpoint that is being made."""
        state = {
            "step": self.step,
            "data": self.data,
            "best_step": self.best_step,
            "best_value": self.best_value,
            "without": self.without_improvement,
            "log": self.log,
            "unlogged": self.unlogged,
        }
        write_text(partial / RECORD, json.dumps(finite(state)))

    def saved(self, run_dir: Path) -> None:
        """A checkpoint of this step is complete: say so, and delete those that are too many."""
        self.report.checkpoint(path_of(run_dir, self.step), self.step, best=self.best_step == self.step)
        prune(run_dir, self.spec.training.save_total_limit, self.best_step if self.keeps_best else None)
        self.start_clock()

    @property
    def evaluation_due(self) -> bool:
        """Whether the last step should have been followed by an evaluation, which a stop has cut off."""
        judged = any(entry["step"] == self.step and "eval_loss" in entry for entry in reversed(self.log))
        return self.step > 0 and self.timetable.evaluates(self.step) and not judged

    def caught_up(self, checkpoint: Path) -> None:
        """The evaluation that was due is made up: the checkpoint that the run goes on from knows it from now on."""
        self.save(checkpoint)
        self.saved(checkpoint.parents[1])

    @property
    def keeps_best(self) -> bool:
        """Whether training returns to the best checkpoint at its end."""
        return self.spec.training.load_best_model_at_end and self.best_step is not None

    @property
    def should_stop(self) -> bool:
        """After the current step: it was the last, a stop was asked for, training diverged or no longer improves."""
        if self.timetable.ends(self.step) or self.report.stop_requested or self.diverged_at is not None:
            return True
        return self.stops_early

    @property
    def is_done(self) -> bool:
        """Whether there is no further step: before the first one of an attempt, and between two epochs."""
        return self.timetable.ends(self.step) or self.stops_early or self.evaluation_due

    @property
    def stops_early(self) -> bool:
        patience = self.spec.evaluation.early_stopping_patience
        return patience is not None and self.without_improvement >= patience

    def end(self, run_dir: Path) -> None:
        """After the last step: writes `history.json`, which the report's advice is drawn from.

        Raises ModelError if training diverged and there is no earlier model to return to.
        """
        if self.diverged_at is not None:
            self._explain_divergence()
        elif self.stops_early and not self.timetable.ends(self.step):
            metric = self.spec.evaluation.metric_for_best_model.replace("_", " ")
            evaluations = counted(self.without_improvement, "evaluation")
            done, planned = f"{self.step:,}", f"{self.timetable.total:,}"
            self.report.message(
                f"Ended early at step {done} of {planned}: the {metric} had not risen in {evaluations}."
                if self.larger_is_better
                else f"Ended early at step {done} of {planned}: the {metric} had not fallen in {evaluations}.",
                level="notice",
                code="early-stopping",
                step=self.step,
                steps=self.timetable.total,
                metric=self.spec.evaluation.metric_for_best_model,
                evaluations=self.without_improvement,
            )
        best = self.best_step if self.keeps_best else None
        early = self.stops_early and self.diverged_at is None
        total = self.step if early else self.timetable.total
        History(steps=self.step, total_steps=total, best_step=best, log=self.log).save(run_dir / HISTORY)

    def _explain_divergence(self) -> None:
        rate = self.spec.training.learning_rate
        step = self.diverged_at or 0
        if not self.keeps_best:
            raise ModelError.of(
                "training-diverged",
                "The loss was no longer a number at step {step}: training diverged. Lower the learning rate from "
                "{learning_rate:g} to {lower:g}, add a warm-up, or choose fp32 as precision",
                step=step,
                learning_rate=rate,
                lower=rate / 10,
            )
        self.report.message(
            f"The loss was no longer a number at step {step}: training diverged. Lower the learning rate from {rate:g} "
            f"to {rate / 10:g}, add a warm-up, or choose fp32 as precision. The best model before that is kept.",
            level="warning",
            code="diverged",
            step=step,
            learning_rate=rate,
        )

    def _tell(self, values: dict[str, float]) -> None:
        epoch = self.timetable.epoch(self.step) if self.step else 0.0
        self.report.metrics(values, self.step, epoch)
        self.log.append({"step": self.step, "epoch": epoch, **values})


def _in_words(values: dict[str, float]) -> str:
    return ", ".join(f"{name.replace('_', ' ')} {value:.4g}" for name, value in values.items())
