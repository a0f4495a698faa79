"""What the recipe would do, said without doing it."""

from __future__ import annotations

from asr.errors import UserError
from asr.recipe.experiment import ROLES, Experiment, Paths
from asr.recipe.markers import is_done
from asr.recipe.stages import NAMES, find_paths, marker, say, scored_of, subsets_of, train_command
from asr.scaling.plan import Plan
from asr.scaling.table import format_table, kappas


def _describe_run(experiment: Experiment, paths: Paths | None) -> None:
    """κ, all that it changes, and the run's folder."""
    plan = Plan(experiment.config)
    table = format_table(plan, only_changes=True).splitlines()
    # A heading and a line.
    say("\n".join(table) if len(table) > 2 else f"{kappas(plan)}: every value is as it was configured")
    name = f"{experiment.runs / experiment.run_begins}-…, named in full once the corpus is there"
    say(f"run folder: {name if paths is None else paths.run}")


def describe_stages(experiment: Experiment, first: int, last: int, processes: int) -> None:
    """Say what `run_stages` would do, and do none of it."""
    paths: Paths | None = None
    lacking = ""
    try:
        paths = find_paths(experiment)
    except UserError as error:
        lacking = f"stages 1 to {last}: run, once the corpus is there ({error})"
    if last >= 3:
        _describe_run(experiment, paths)
    say(f"stage 0 data: {experiment.config.corpus.source} corpus at {experiment.root}")
    if last == 0:
        return
    if paths is None:
        say(lacking)
        return
    for stage in range(1, last + 1):
        done = marker(stage, experiment, paths)
        missing = "would run" if stage >= first else "would run first, not done yet"
        state = "done already" if is_done(stage, done, experiment.cache) else missing
        say(f"stage {stage} {NAMES[stage]}: {state}, {done.parent}")
        for role in ROLES if stage == 1 else ():
            folder, made = scored_of(paths, role)
            if subsets_of(experiment, role) and not is_done(1, made, experiment.cache):
                say(f"  {role} subsets: {missing}, {folder}")
        if stage == 3 and paths.pretrained is not None:
            done = paths.pretrained / "complete.json"
            say(f"  pretrain: {'done already' if done.is_file() else 'would run first'}, {paths.pretrained}")
        if stage == 3 and processes > 1:
            say("  " + " ".join(train_command(paths, processes)))
