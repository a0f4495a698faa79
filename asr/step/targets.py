"""What the audio of a step is trained on: its text, or the labels that it has by now."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from asr.config import PseudoConfig
from asr.model.arrival import Arrival
from asr.objective.objective import Target
from asr.pseudo.pseudo_labels import PseudoLabels
from asr.pseudo.store import LabelStore
from asr.pseudo.teacher import Answer
from asr.schedule import value_at
from asr.step.feeder import StepBatch, Work
from asr.step.ranks import Ranks
from asr.step.result import StepResult


class Targets:
    """Of this rank's micro-batches; what becomes of labels is counted in the step's result."""

    def __init__(self, texts: LabelStore, pseudo: PseudoLabels, settings: PseudoConfig, ranks: Ranks) -> None:
        """
        Args:
            texts: true text of the labeled utterances.
            pseudo: labels of the others.
            settings: their weight.
            ranks: this process among all.
        """
        self._texts, self._pseudo, self._settings, self._ranks = texts, pseudo, settings, ranks

    def text(self, work: Work, result: StepResult) -> Target:
        """True text, where there is any."""
        # An utterance that could not be read has no frame to align a target with.
        rows = work.batch.rows.tolist()
        tokens = [self._texts.tokens(row) if len(s) else () for row, s in zip(rows, work.samples, strict=True)]
        result.utterances_labeled += sum(map(bool, tokens))
        return Target([t or () for t in tokens] or [()])

    def labels(
        self, works: Sequence[Work], answers: Mapping[int, Answer], arrival: Arrival, hours: float, result: StepResult
    ) -> dict[int, Target]:
        """The targets of all audio without transcript, the labels that are made now among them, by place in `works`, as
        `answers` are. `arrival` has what these have packed, in their order."""
        arrived = dict(zip(answers, arrival.read(), strict=True))
        targets: dict[int, Target] = {}
        for position, work in enumerate(works):
            if work.labeled:
                continue
            rows, answer = work.batch.rows.tolist(), answers.get(position)
            if answer is None:
                labels = self._pseudo.stored(rows)
            else:
                labels = self._pseudo.read(arrived[position], rows, hours) if rows else []
                self._pseudo.count(labels, result.tally)
                result.labels += [(work.index, label) for label in labels]
            if work.use == "label":
                continue
            tokens = self._pseudo.targets(labels, hours, result.tally)
            tokens = [t if len(s) else [] for t, s in zip(tokens, work.samples, strict=True)]
            result.utterances_unlabeled += sum(map(bool, tokens))
            targets[position] = Target(tokens or [()], None if answer is None else answer.log_probs)
        return targets

    def weight(self, batch: StepBatch, hours: float, result: StepResult) -> float:
        """Of unlabeled audio in the loss."""
        weight = value_at(self._settings.weight, hours)
        if self._settings.denominator == "audio":
            return weight
        (kept,) = self._ranks.sum([result.tally.kept_seconds])
        return weight * batch.unlabeled_seconds / kept if kept else 0.0
