"""A model whose gradient is the same always, so that its teacher is known in closed form; and ranks that train it.

The output's mean over the batch is the loss, and all samples are alike: θ ← θ − ηg, then ζ ← ρζ + (1 − ρ)θ.
"""

from __future__ import annotations

import multiprocessing
import os
import socket
from collections.abc import Callable
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

KAPPA, BASE_STEPS, BASE_BATCH = 4, 12, 2
LR, MOMENTUM = 0.1, 0.9
SAMPLE = torch.tensor([1.0, -2.0, 0.5], dtype=torch.float64)
START = torch.tensor([[0.3, 0.1, -0.2]], dtype=torch.float64)

Floats = npt.NDArray[np.float64]


def toy_model() -> nn.Linear:
    model = nn.Linear(3, 1, bias=False, dtype=torch.float64)
    with torch.no_grad():
        model.weight.copy_(START)
    return model


def samples(count: int) -> Tensor:
    return SAMPLE.expand(count, 3).clone()


def teacher_of_kappa_1() -> Floats:
    """After all base steps, by the matrix power."""
    step = np.array([[1, 0, -LR], [1 - MOMENTUM, MOMENTUM, -LR * (1 - MOMENTUM)], [0, 0, 1]])
    power = np.linalg.matrix_power(step, BASE_STEPS)
    return np.array(
        [(power @ [start, start, g])[1] for start, g in zip(START[0].tolist(), SAMPLE.tolist(), strict=True)]
    )


def lag(kappa: int) -> Floats:
    """What the teacher of κ = 1 is behind that of κ after all steps: it saw κ students on their way, not the last."""
    way = LR * sum(MOMENTUM**j * (1 - MOMENTUM) * j for j in range(kappa))
    blocks = BASE_STEPS // kappa
    left: Floats = way * (1 - MOMENTUM**BASE_STEPS) / (1 - MOMENTUM**kappa) * SAMPLE.numpy()
    assert blocks * kappa == BASE_STEPS
    return left


def assert_teacher(found: Tensor, kappa: int) -> None:
    np.testing.assert_allclose(found.detach().double().numpy().ravel() + lag(kappa), teacher_of_kappa_1(), atol=1e-6)


def _run(function: Callable[[Path], None], out: Path, rank: int, ranks: int, port: int) -> None:
    place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": ranks, "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port}
    os.environ.update({name: str(value) for name, value in place.items()})
    torch.set_num_threads(1)
    function(out)


def on_ranks(function: Callable[[Path], None], out: Path, ranks: int, imports: tuple[str, ...] = ()) -> None:
    """Call `function(out)` in as many processes, as torchrun would; all must end well."""
    context = multiprocessing.get_context("forkserver")
    # A first step imports the last two, which takes longer than all else.
    context.set_forkserver_preload(["toy", *imports, "torch._dynamo", "torch.distributed.fsdp"])
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    processes = [context.Process(target=_run, args=(function, out, rank, ranks, port)) for rank in range(ranks)]
    for process in processes:
        process.start()
    for process in processes:
        process.join(120)
        if process.exitcode is None:
            process.kill()
    assert [process.exitcode for process in processes] == [0] * ranks
