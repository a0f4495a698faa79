import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_benchmark_of_averages_prints_each_way_s_share_of_copy_bandwidth() -> None:
    command = [sys.executable, "benchmarks/ema.py", "--parameters", "1000", "--rounds", "1"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for kind in ("few", "blocks", "many"):
        assert f"{kind}: " in told
    assert told.count("kappa-asr, ScaledEMA") == told.count("AveragedModel, multi-avg function") == 3
