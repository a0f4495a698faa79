"""Print what a batch scale changes, and what it asks of each device, without training."""

from __future__ import annotations

import argparse
import json

from asr.errors import UserError
from asr.recipe.settings import find_config
from asr.scaling.plan import Plan
from asr.scaling.table import format_table, to_json


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--corpus",
        "--config",
        default="mini",
        metavar="NAME|FILE.yaml",
        help="settings in conf/, or a file (default: mini)",
    )
    parser.add_argument("--batch-scale", type=float, metavar="κ", help="times the base batch (default: 1)")
    parser.add_argument("--world-size", type=int, default=1, metavar="N", help="devices that share a step (default: 1)")
    parser.add_argument("--memory", action="store_true", help="also what a device must hold: some seconds")
    parser.add_argument("--json", action="store_true", help="for machines")
    parser.add_argument("--set", action="append", default=[], metavar="KEY=VALUE", help="override a setting")


def _per_device(plan: Plan, world_size: int) -> dict[str, object]:
    from asr.train.used_time import measure_load

    hours = plan.config.schedule.total_hours
    warmup, then = (measure_load(plan.config, plan, world_size, started) for started in (False, True))
    return {
        "world_size": world_size,
        "steps": plan.steps,
        "accumulation_warmup": warmup.passes,
        "accumulation": then.passes,
        "busy_warmup": warmup.busy,
        "busy": then.busy,
        "audio_hours_per_device": hours / world_size,
    }


def _memory(plan: Plan, world_size: int) -> dict[str, object]:
    from asr.train.memory import estimate_memory

    memory = estimate_memory(plan)
    return {
        "parameters": memory.parameters,
        "state_gib": memory.state / (world_size if plan.config.train.engine == "fsdp" else 1) / 2**30,
        "activations_fp32_gib": memory.activations / 2**30,
    }


def run(arguments: argparse.Namespace) -> int:
    if arguments.world_size < 1:
        raise UserError(f"--world-size {arguments.world_size}: must be at least 1")
    plan = Plan(find_config(arguments.corpus, arguments.set, arguments.batch_scale))
    device = _per_device(plan, arguments.world_size)
    if arguments.memory:
        device |= _memory(plan, arguments.world_size)
    if arguments.json:
        print(json.dumps(to_json(plan) | {"device": device}, ensure_ascii=False, indent=1))
        return 0
    print(format_table(plan))
    at_best = "at least " if plan.adascale else ""
    lines = {
        f"on each of {arguments.world_size} devices": "",
        "micro-batches per step, warm-up": f"{device['accumulation_warmup']}, {device['busy_warmup']:.1%} of time used",
        "micro-batches per step, then": f"{device['accumulation']}, {device['busy']:.1%} of time used",
        "audio": f"{device['audio_hours_per_device']:.4g} h in {at_best}{device['steps']:,} steps",
    }
    if arguments.memory:
        lines |= {
            "student, gradient, optimizer, teacher": f"{device['state_gib']:.3g} GiB",
            "parameters": f"{device['parameters']:,}",
            "activations": f"at most {device['activations_fp32_gib']:.3g} GiB (fp32; in bf16 little more than half)",
        }
    print("\n" + "\n".join(f"{name:<39}{value}".rstrip() for name, value in lines.items()))
    return 0
