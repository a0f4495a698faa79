"""Who writes pseudo-labels, which are trained on, and what the student is trained to do."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from asr.config.kinds import Operational
from asr.schedule import Schedule


@dataclass(frozen=True)
class TeacherConfig:
    half_life_hours: Schedule | None = None
    """Audio over which an old student's weight in the teacher halves: the momentum that no batch size changes."""
    momentum: Schedule = 0.999
    """Where no half-life is given: ρ per step of the base batch, teacher ← ρ·teacher + (1 − ρ)·student."""
    epoch_weight: float | None = None
    """Instead of either: what is left of the teacher after `epoch_hours` of audio, as in Momentum Pseudo-Labeling."""
    epoch_hours: float | None = None
    """Audio that `epoch_weight` is for, such as that of the corpus; with it, and only with it."""
    half_life_share: float | None = None
    """The half-life is at most this share of the audio seen, so that an early teacher is young; empty: no bound."""
    start: Literal["corrected", "initial"] = "corrected"
    """corrected: the average over the students so far, in which the random start has no part; initial: the start has
    the weight that momentum leaves it, as usual where a run begins with a trained model."""


LABELERS = ("none", "teacher", "student", "oracle")
"""What `pseudo.labels` may name beside a folder."""


@dataclass(frozen=True)
class PseudoConfig:
    """Which audio without text is trained on, and who writes its text."""

    labels: str = "teacher"
    """none: labeled audio only; teacher or student: who labels; oracle: true transcripts, as an upper bound; else a
    folder that `kappa-asr label` wrote."""
    start_hours: float = 2.0
    """Until here only labeled audio is used."""
    unlabeled_share: Schedule = 0.75
    """Share of each batch's seconds that is unlabeled once pseudo-labels have started; it changes in jumps alone."""
    mixing: Literal["batch", "update"] = "batch"
    """batch: every update has both kinds of audio; update: each is of one kind, drawn by `unlabeled_share`."""
    search: Literal["greedy", "sampled", "words"] = "greedy"
    """greedy: the likeliest path; sampled: a path drawn from the probabilities (Berrebbi et al., ICLR 2023); words: the
    likeliest sentence of known words, found on the host, which needs the extra `lm`."""
    lm: Operational[str] = ""
    """words: ARPA file with the words that are known; empty: made from the labeled text. It counts by its content."""
    lm_weight: float = 0.3
    """words: what the language model's log-probabilities are multiplied with."""
    beam: int = 32
    """words: hypotheses that are kept."""
    blank_penalty: float = 0.0
    """Nats by which the blank is lowered before a label is found: a model that is unsure leaves out tokens, and labels
    without them teach to leave out more."""
    temperature: float = 1.0
    """Of sampled paths: below 1 they are nearer to the likeliest one."""
    cache_hours: float = 0.0
    """Audio whose labels are kept, and trained on until they are replaced; 0: every label is trained on once.
    Labels that are given, true ones or a folder's, are there without it."""
    cache_turnover: float = 0.1
    """Probability with which a cached micro-batch is replaced after use. A label is used 1/p times."""
    turnover: Literal["fixed", "churn"] = "fixed"
    """churn: the probability is the share of a label that changes when its audio is labeled anew, at least
    `cache_turnover` (after Berrebbi et al., ICLR 2023)."""
    weight: Schedule = 1.0
    """What the loss of pseudo-labeled audio is multiplied with."""
    denominator: Literal["audio", "kept"] = "audio"
    """What that loss is a mean over. audio: all unlabeled seconds of the batch, so that dropped labels weigh nothing;
    kept: the seconds whose labels were kept, which take over the weight of those dropped."""
    min_mean_log_prob: Schedule | None = None
    """Labels whose mean log-probability per encoder frame is lower are dropped; empty: none are."""
    best_share: Schedule | None = None
    """Share of labels to be kept, those of highest mean log-probability among recent ones; empty: all."""
    length_rate: tuple[float, float] | None = None
    """Tokens a second, as multiples of the labeled audio's, outside of which labels are dropped; empty: none are."""
    max_churn: float | None = None
    """Labels of which more than this share differs from the label before are dropped; empty: none are."""
    min_agreement: float | None = None
    """Of labels from a folder: least agreement of its two searches, 1 for equal texts; empty: any."""
    min_tokens: int = 1
    """Labels of fewer tokens are dropped."""
    collapse: Operational[Literal["warn", "stop"]] = "warn"
    """What happens when labels are mostly empty, or far shorter or longer than text: a warning, or a stop."""

    @property
    def in_training(self) -> bool:
        """Whether labels are made in training, and not given."""
        return self.labels in ("teacher", "student")

    @property
    def searches_words(self) -> bool:
        """Whether labels are made in training, as sentences of known words."""
        return self.in_training and self.search == "words"

    @property
    def caches(self) -> bool:
        """Whether labels are kept and trained on again: those that are given need not be."""
        return self.in_training and self.cache_hours > 0


@dataclass(frozen=True)
class ObjectiveConfig:
    """What the student is trained to do."""

    kind: Literal["ctc", "masked", "views"] = "ctc"
    """ctc: to recognise speech; of audio alone, to start another run from (`model.init`): masked: to predict what the
    teacher hears in stretches that are hidden from it (data2vec 2.0); views: to hear two views alike (BYOL). Such a run
    has no head that writes tokens: what is set for that means nothing to it."""
    mask_share: Schedule = 0.5
    """masked, as all up to `top_blocks`: share of each utterance that is hidden."""
    mask_seconds: float = 0.45
    """Length of what is hidden in one piece."""
    masks: int = 2
    """How many times the student hears each utterance, with other masks, for one pass of the teacher."""
    top_blocks: int = 3
    """The targets are a mean over so many of the teacher's blocks, the topmost ones."""
    collapse: Operational[Literal["warn", "stop"]] = "warn"
    """masked and views: what happens when targets or predictions hardly vary, or in few directions alone."""
    intermediate_weight: float = 0.3
    """Share of the CTC losses after the blocks of `model.intermediate`."""
    consistency: Schedule = 0.0
    """Weight of the agreement of two differently masked views (CR-CTC); 0: one view is heard."""
    soft_share: float = 0.0
    """Share of soft targets in the loss of labels made in the same step: the teacher's probabilities, averaged over the
    frames of each token."""
