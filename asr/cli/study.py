"""Run a grid of batch scales, rules and seeds from one YAML file, and draw it over the baseline."""

from __future__ import annotations

import argparse
import dataclasses
import json
from pathlib import Path

from asr.errors import UserError
from asr.path_argument import path


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("study", type=path, metavar="STUDY.yaml")
    parser.add_argument("--data-dir", type=path, default=Path("data"), help="audio (default: data)")
    parser.add_argument("--exp-dir", type=path, default=Path("exp"), help="runs (default: exp)")
    parser.add_argument("--out", type=path, metavar="DIR", help="figure and table (default: EXP/studies/NAME)")
    parser.add_argument("--processes", type=int, default=1, metavar="P", help="cells that are trained at a time")


def run(arguments: argparse.Namespace) -> int:
    from asr.recipe.settings import find_config
    from asr.study.curves import distance_rows, distances, read_curve
    from asr.study.figure import draw_panels
    from asr.study.finals import final_rows, read_final
    from asr.study.grid import read_study
    from asr.study.page import markdown, write_study_page
    from asr.study.running import run_cells

    if arguments.processes < 1:
        raise UserError(f"--processes {arguments.processes}: must be at least 1")
    study = read_study(arguments.study)
    folders = arguments.data_dir.absolute(), arguments.exp_dir.absolute()
    out = arguments.out or folders[1] / "studies" / study.name
    cells = study.cells()
    runs = run_cells(study, folders, arguments.processes, out, lambda text: print(text, flush=True))
    curves = [read_curve(cell, folder) for cell, folder in zip(cells, runs, strict=True)]
    config = find_config(study.corpus, list(study.settings), None)
    start = None if config.pseudo.labels == "none" else config.pseudo.start_hours
    rows = distances(curves, start or 0.0)
    finals = final_rows([read_final(cell, folder) for cell, folder in zip(cells, runs, strict=True)])
    tables = f"{markdown(finals)}\n{markdown(distance_rows(rows))}"
    draw_panels(curves, start, out / "figure.svg")
    (out / "table.md").write_text(tables, encoding="utf-8")
    content = json.dumps([dataclasses.asdict(row) for row in rows], ensure_ascii=False, indent=1)
    (out / "table.json").write_text(content + "\n", encoding="utf-8")
    write_study_page(study.name, finals, distance_rows(rows), out / "figure.svg", out / "study.html")
    print(f"\n{tables}\n{out / 'study.html'}")
    return 0
