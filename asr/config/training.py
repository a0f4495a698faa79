"""Batches, optimizer and schedules, what a batch scale does to them, and how training is done."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from asr.config.kinds import Operational


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
    """Peak learning rate at κ = 1."""
    head_lr: float | None = None
    """Of the head that writes tokens, where all else was trained before; empty: `lr`. Both follow one rule and one
    schedule."""
    beta1: float = 0.9
    """Smoothing of gradients: Adam and AdamW, and what Muon leaves to AdamW."""
    beta2: float = 0.98
    """Smoothing of squared gradients; RMSprop's too, where it is called α."""
    eps: float = 1e-8
    """ε at κ = 1: added to the root of the squared gradients. All but SGD."""
    momentum: float = 0.9
    """SGD: κ leaves it unchanged. Muon: momentum^κ; 0.95 is usual."""
    weight_decay: float = 0.0
    """AdamW and Muon: decoupled; others: L2. Never applied to vectors (biases, norm gains)."""
    clip: Literal["fixed", "running", "none"] = "running"
    """running: gradients are clipped to `clip_ratio` times the mean norm of late, which follows the batch size; fixed:
    to `max_grad_norm`, which is no part of any batch-size rule and breaks SGD's where it clips every step."""
    max_grad_norm: float = 1.0
    """Largest norm of a step's gradient, where `clip` is fixed."""
    clip_ratio: float = 2.0
    """Largest norm as a multiple of the mean of late, where `clip` is running."""
    beta_rule: Literal["linear", "power", "keep"] = "power"
    """β → 1 − κ(1 − β), or β^κ, which exists for every κ, or β."""
    eps_rule: Literal["root", "keep"] = "root"
    """ε → ε/√κ, as noise makes gradients that much smaller, or ε, where signal dominates."""
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
    """How the learning rate falls to `final_share`, by the end; none: it stays."""
    final_share: float = 0.0
    """Learning rate at the end, as a share of its peak."""
    frozen_hours: float = 0.0
    """Until here a model from `model.init` stays as it is, but for its head."""


@dataclass(frozen=True)
class ScalingConfig:
    ema: bool = True
    """ρ → ρ^κ. Off only to show what the rule is for."""
    optimizer: bool = True
    """The optimizer's own rule (Adam, AdamW, RMSprop: square root; SGD: linear)."""
    ema_clock: Literal["nominal", "seconds"] = "nominal"
    """nominal: ρ^κ; seconds: ρ^(audio in the step / base_seconds), which follows each dynamic batch."""
    start_hours: float = 0.0
    """`batch_scale` holds from so many hours of audio on, and before them κ is 1: Adam's rule is none for the first
    steps."""
    progressive: tuple[tuple[float, float], ...] = ()
    """In place of both, κ over time as [hour of audio, κ] pairs, the first at hour 0."""
    ramp_hours: float = 0.0
    """Audio over which κ goes from one value to the next, from the hour of the next one on; 0: at once."""
    adascale: bool = False
    """Measure each step's gain r from the gradient's noise; optimizer, teacher and clock then follow r, not κ."""


@dataclass(frozen=True)
class TrainConfig:
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    """Autocast type. auto: bf16 on CUDA and on processors with bf16 instructions, else fp32. fp16: CUDA
    only, with a gradient scaler."""
    log_hours: Operational[float] = 0.1
    """Audio between two lines of the log."""
    evaluate_hours: Operational[float] = 1.0
    """Audio between two evaluations of student and teacher on the dev subsets."""
    checkpoint_hours: Operational[float] = 1.0
    """Audio between two checkpoints."""
    checkpoint_minutes: Operational[float] = 0.0
    """Of those checkpoints one that is due sooner than this after the one before is left out, the last excepted."""
    keep_last: Operational[int] = 2
    """Newest checkpoints that are kept."""
    keep_best: Operational[int] = 1
    """Checkpoints with the lowest teacher WER, averaged over the dev subsets, that are kept."""
    max_skipped_steps: Operational[int] = 50
    """Steps in a row with a non-finite loss or gradient that are skipped; at one more training gives up."""
    max_bad_audio: Operational[int] = 100
    """Unreadable utterances, of one process, after which training gives up."""
    loader_threads: Operational[int] = 0
    """Threads that read and decode audio, of one process. 0: as many as it has cores, from 2, which decode five times
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
