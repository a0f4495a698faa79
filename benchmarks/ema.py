"""Moving an average of weights: this project's two ways against PyTorch's AveragedModel, ema-pytorch and a plain copy.

    pip install ema-pytorch==0.8.3
    python benchmarks/ema.py --parameters 256e6

All move averages of the same fp32 model, in turns, in one process. A move reads two numbers and writes one, a copy
reads one and writes one; a move's share of copy bandwidth is what it moves in a second over what the copy moves. Each
way holds a copy of the model: with all of them 256 million parameters take 9 GB.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from statistics import median

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_avg_fn, get_ema_multi_avg_fn

from asr.pseudo.teacher import make_teacher, move_teacher
from asr.scaling import ScaledEMA

MOMENTUM = 0.999
Move = Callable[[], object]


def make_model(kind: str, parameters: int) -> nn.Module:
    """Parameters of about so many numbers in all. few: large matrices; blocks: those of a Transformer; many: small."""
    shapes: dict[str, list[tuple[int, ...]]] = {
        "few": [(max(1, parameters // 4096), 1024)],
        "blocks": [(768,)] * 4 + [(2304, 768), (2304,), (768, 768), (768,), (3072, 768), (3072,), (768, 3072), (768,)],
        "many": [(256, 256), (256,), (256,)],
    }
    found: list[nn.Parameter] = []
    left, turn = parameters, 0
    while left > 0:
        shape = shapes[kind][turn % len(shapes[kind])]
        found.append(nn.Parameter(torch.rand(shape)))
        left, turn = left - found[-1].numel(), turn + 1
    return nn.ParameterList(found)


def moves_of(model: nn.Module) -> dict[str, Move]:
    """The ways to move an average of a model, by name."""
    scaled = ScaledEMA(model, momentum=MOMENTUM, base_batch=1)
    teacher = make_teacher(model)
    several = AveragedModel(model, multi_avg_fn=get_ema_multi_avg_fn(MOMENTUM))
    single = AveragedModel(model, avg_fn=get_ema_avg_fn(MOMENTUM))
    default = AveragedModel(model)
    found: dict[str, Move] = {
        "kappa-asr, ScaledEMA": lambda: scaled.update(samples=1),
        "kappa-asr, teacher of training": lambda: move_teacher(teacher, model, 1 - MOMENTUM),
        "AveragedModel, multi-avg function": lambda: several.update_parameters(model),
        "AveragedModel, avg function": lambda: single.update_parameters(model),
        "AveragedModel, default (no EMA)": lambda: default.update_parameters(model),
    }
    try:
        from ema_pytorch import EMA  # type: ignore[import-not-found]
    except ImportError:
        print("ema-pytorch is not installed, and left out")
        return found
    for foreach in (False, True):
        theirs = EMA(
            model,
            beta=MOMENTUM,
            update_every=1,
            update_after_step=0,
            include_online_model=False,
            use_foreach=foreach,
        )
        found[f"ema-pytorch{', foreach' * foreach}"] = theirs.update
    return found


def spread(values: list[float], digits: int = 2) -> str:
    return f"{median(values):.{digits}f} ({min(values):.{digits}f} – {max(values):.{digits}f})"


@torch.no_grad()
def measure(kind: str, parameters: int, rounds: int) -> None:
    model = make_model(kind, parameters)
    tensors = [p.detach() for p in model.parameters()]
    count, copies = sum(t.numel() for t in tensors), [torch.empty_like(t) for t in tensors]
    ways = {"copy": lambda: torch._foreach_copy_(copies, tensors), **moves_of(model)}
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    # Twice first: pages are met, and some begin with a copy of the model.
    for turn in range(rounds + 2):
        for name, move in ways.items():
            begun = time.process_time()
            move()
            if turn >= 2:
                seconds[name].append(time.process_time() - begun)
    copied = [8 * count / s for s in seconds.pop("copy")]
    print(
        f"{kind}: {count / 1e6:.0f} M parameters in {len(tensors):,} tensors, {rounds} rounds, median (least – most); "
        f"copy {spread([c / 1e9 for c in copied])} GB/s"
    )
    own = seconds["kappa-asr, ScaledEMA"]
    for name, taken in seconds.items():
        shares = [12 * count / s / c for s, c in zip(taken, copied, strict=True)]
        ratios = [s / o for s, o in zip(taken, own, strict=True)]
        milliseconds = spread([1000 * s for s in taken], 1)
        print(f"  {name:<34} {milliseconds:>26} ms   of copy {spread(shares)}   ÷ ScaledEMA {spread(ratios)}")


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--parameters", type=float, default=64e6, help="of the model (default: 64e6)")
    parser.add_argument("--rounds", type=int, default=7, help="that are counted (default: 7)")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch (default: 1); seconds are of CPU")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    for kind in ("few", "blocks", "many"):
        measure(kind, int(arguments.parameters), arguments.rounds)


if __name__ == "__main__":
    main()
