"""What the EMA of each tool does; makes the table of docs/peers/ema.md: `python docs/peers/ema.py`.

Every row comes from running the installed package; a tool that is not installed gets none, which is said.
"""

# ruff: noqa: ARG002 (the arguments are those of other people's hooks)

from __future__ import annotations

import copy
import logging
import sys
import tempfile
import warnings
from collections.abc import Callable, Iterator
from importlib import metadata
from pathlib import Path
from typing import Any

import torch
from ema_tools import BATCH, TOOLS, Average, Composer, Lightning, NeMo, nemo
from torch import Tensor, nn

DECAY, OTHER = 0.99, 0.9
SETTLED, SETTLED_LONG = 2_000, 10_000
"""Updates after which warm-ups are over, for a decay of 0.99 and (but for that of ema-pytorch) of 0.999."""


def constant(value: float, kind: torch.dtype = torch.float32) -> nn.Module:
    model = nn.Linear(1, 1, bias=False, dtype=kind)
    nn.init.constant_(model.weight, value)
    return model


def settled(tool: type[Average], model: nn.Module, decay: float, updates: int = SETTLED) -> Average:
    average = tool(model, decay)
    for _ in range(updates):
        average.update(BATCH)
    return average


def weight(average: Average) -> float:
    return next(iter(average.tensors().values())).double().item()


def half_life(tool: type[Average], batch: int) -> str:
    """Samples until the average is half of the way to a model that has jumped."""
    model = constant(0.0)
    average = settled(tool, model, DECAY)
    nn.init.constant_(model.weight, 1.0)
    updates = 0
    while weight(average) < 0.5:
        average.update(batch)
        updates += 1
    return f"{updates * batch:,}"


def resumed(tool: type[Average]) -> str:
    model = constant(0.0)
    state = copy.deepcopy(settled(tool, model, DECAY).state())
    again = tool(model, OTHER)
    try:
        again.load(state)
    except Exception as error:
        return f"refuses ({type(error).__name__})"
    nn.init.constant_(model.weight, 1.0)
    while weight(again) == 0:
        again.update(BATCH)
    decay = 1 - weight(again)
    took = "the saved" if abs(decay - DECAY) < 1e-3 else "the new" if abs(decay - OTHER) < 1e-3 else "another"
    return f"{took} one ({decay:.3g}), silently"


def buffers(tool: type[Average]) -> str:
    model = nn.BatchNorm1d(1)
    average = settled(tool, model, DECAY)
    nn.init.constant_(model.running_mean, 1.0)
    nn.init.constant_(model.num_batches_tracked, 5000)
    nn.init.constant_(model.weight, 3.0)
    while weight(average) == 1:
        average.update(BATCH)
    found = average.tensors()
    if "running_mean" not in found:
        return "not kept"

    def fate(name: str, whole: float) -> str:
        share = found[name].double().item() / whole
        return "copied" if share == 1 else "left" if share == 0 else "averaged"

    return f"floats {fate('running_mean', 1)}, integers {fate('num_batches_tracked', 5000)}"


def bf16(tool: type[Average]) -> str:
    """Decay 0.999, 2,000 updates after a jump from 1 to 2: 0.86 of the way is right."""
    model = constant(1.0, torch.bfloat16)
    average = settled(tool, model, 0.999, SETTLED_LONG)
    nn.init.constant_(model.weight, 2.0)
    for _ in range(2000):
        average.update(BATCH)
    kind = str(next(iter(average.tensors().values())).dtype).removeprefix("torch.")
    return f"{kind}, {weight(average) - 1:.2f}"


class Counted:
    """Counts calls of a method while this lasts."""

    def __init__(self, owner: Any, name: str) -> None:
        self.owner, self.name, self.own, self.calls = owner, name, getattr(owner, name), 0

    def __enter__(self) -> Counted:
        def call(*positional: Any, **named: Any) -> Any:
            self.calls += 1
            return self.own(*positional, **named)

        setattr(self.owner, self.name, call)
        return self

    def __exit__(self, *_: object) -> None:
        setattr(self.owner, self.name, self.own)


def by_lightning(callback: Any, counted: Counted) -> str:
    import lightning.pytorch as lightning

    class Module(lightning.LightningModule):  # type: ignore[misc, name-defined]
        def __init__(self) -> None:
            super().__init__()
            self.net = constant(1.0)

        def training_step(self, batch: Tensor, _: int) -> Tensor:
            return self.net(batch).mean()

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.SGD(self.parameters(), lr=0.1)

    quiet = dict.fromkeys(("logger", "enable_progress_bar", "enable_model_summary", "enable_checkpointing"), False)
    given = {"accelerator": "cpu", "max_epochs": 1, "accumulate_grad_batches": 4, "callbacks": [callback]}
    with tempfile.TemporaryDirectory() as folder, counted:
        trainer = lightning.Trainer(default_root_dir=folder, **given, **quiet)
        trainer.fit(Module(), torch.utils.data.DataLoader(torch.ones(64, 1), batch_size=8))
        return f"{counted.calls / trainer.global_step:g} (its Trainer)"


def by_composer() -> str:
    import composer
    import composer.algorithms.ema.ema as file

    class Model(composer.ComposerModel):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.net = constant(1.0)

        def forward(self, batch: Tensor) -> Tensor:
            return self.net(batch)

        def loss(self, outputs: Tensor, batch: Tensor) -> Tensor:
            return outputs.mean()

    model = Model()
    with Counted(file, "compute_ema") as counted:
        trainer = composer.Trainer(
            model=model,
            train_dataloader=torch.utils.data.DataLoader(torch.ones(64, 1), batch_size=32),
            optimizers=torch.optim.SGD(model.parameters(), lr=0.1),
            algorithms=[file.EMA(half_life="69ba")],
            max_duration="1ep",
            device="cpu",
            device_train_microbatch_size=8,
            progress_bar=False,
        )
        trainer.fit()
    return f"{counted.calls / int(trainer.state.timestamp.batch):g} (its Trainer)"


def moves(tool: type[Average]) -> str:
    """Per optimizer step, four micro-batches being accumulated."""
    if tool is Lightning:
        from lightning.pytorch.callbacks import EMAWeightAveraging

        return by_lightning(EMAWeightAveraging(), Counted(torch.optim.swa_utils.AveragedModel, "update_parameters"))
    if tool is NeMo:
        return by_lightning(nemo().EMA(0.99), Counted(nemo().EMAOptimizer, "update"))
    if tool is Composer:
        return by_composer()
    model = constant(1.0)
    average = settled(tool, model, DECAY)
    moved, before = 0, weight(average)
    for step in range(20):
        nn.init.constant_(model.weight, 2.0 + step)
        average.update(4 * BATCH)
        moved, before = moved + (weight(average) != before), weight(average)
    return f"{moved / 20:g} per call"


def rows() -> Iterator[list[str]]:
    columns: list[Callable[[type[Average]], str]] = [
        moves,
        lambda tool: " → ".join(half_life(tool, BATCH * kappa) for kappa in (1, 4)),
        resumed,
        buffers,
        bf16,
    ]
    for name, tool in TOOLS.items():
        try:
            version = metadata.version(tool.package)
            yield [name, f"{tool.package} {version}", *(column(tool) for column in columns)]
        except (metadata.PackageNotFoundError, ModuleNotFoundError) as error:
            print(f"{name}: not run ({error})", file=sys.stderr)


def words(package: str) -> str:
    """How many Python files of a package speak of an average of weights."""
    files = [f for f in metadata.files(package) or [] if str(f).endswith(".py")]
    said = ("moving average of", "class EMA", "EMAModel", "AveragedModel", "ExponentialMovingAverage", "ema_model")
    found = [str(f) for f in files if any(word in Path(f.locate()).read_text(errors="ignore") for word in said)]
    return f"{package} {metadata.version(package)}: {len(files)} Python files; {len(found)} have one of {said}: {found}"


def espnet() -> str:
    """What ESPnet has instead: a mean over the best epochs, here of three."""
    from espnet2.main_funcs.average_nbest_models import average_nbest_models
    from espnet2.train.reporter import Reporter

    reporter = Reporter()
    with tempfile.TemporaryDirectory() as folder:
        for epoch, value in enumerate((1, 2, 6), 1):
            weights = {"weight": torch.tensor([float(value)]), "num_batches_tracked": torch.tensor(value)}
            torch.save(weights, Path(folder, f"{epoch}epoch.pth"))
            reporter.set_epoch(epoch)
            with reporter.observe("valid") as observed:
                observed.register({"loss": torch.tensor(float(value))})
                observed.next()
        average_nbest_models(Path(folder), reporter, [("valid", "loss", "min")], 3)
        found = torch.load(Path(folder, "valid.loss.ave_3best.pth"))
    return f"ESPnet's mean of 1, 2 and 6: floats {found['weight'].item():g}, integers {found['num_batches_tracked']}"


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    logging.disable(logging.WARNING)
    torch.set_num_threads(1)
    head = [
        "tool",
        "run with",
        "moves",
        "half-life in samples, batch 8 → 32",
        "resume with another decay",
        "buffers",
        "bf16",
    ]
    for row in (head, ["---"] * len(head), *rows()):
        print("| " + " | ".join(row) + " |", flush=True)
    for package in ("espnet", "fairseq2"):
        try:
            print(words(package))
        except metadata.PackageNotFoundError:
            print(f"{package}: not installed", file=sys.stderr)
    try:
        print(espnet())
    except ImportError as error:
        print(f"ESPnet: not run ({error})", file=sys.stderr)
