"""Settings: frozen dataclasses, read from strict YAML.

Every number is for κ = 1 (the base batch). What κ changes is computed by `asr.scaling.plan` and never
written by hand. "Hours" are hours of audio consumed by training, the axis on which all events lie.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from asr.config.corpus import CorpusConfig, NormaliserName, TokenConfig
from asr.config.decode import LM_BEAM, MOST_BEAM, USUAL_BEAM, DecodeConfig
from asr.config.kinds import Operational
from asr.config.labels import LABELERS, ObjectiveConfig, PseudoConfig, TeacherConfig
from asr.config.model import FeatureConfig, ModelConfig, SpecAugmentConfig
from asr.config.training import BatchConfig, OptimizerConfig, ScalingConfig, ScheduleConfig, TrainConfig

__all__ = [
    "LABELERS",
    "LM_BEAM",
    "MOST_BEAM",
    "USUAL_BEAM",
    "BatchConfig",
    "Config",
    "CorpusConfig",
    "DecodeConfig",
    "FeatureConfig",
    "ModelConfig",
    "NormaliserName",
    "ObjectiveConfig",
    "Operational",
    "OptimizerConfig",
    "PseudoConfig",
    "ScalingConfig",
    "ScheduleConfig",
    "SpecAugmentConfig",
    "TeacherConfig",
    "TokenConfig",
    "TrainConfig",
]


@dataclass(frozen=True)
class Config:
    name: str = "mini"
    """Names the folder under the experiment folder."""
    seed: int = 1
    """Of all that is drawn by chance: first weights, order, masks, dropout. The corpus's split has its own."""
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
