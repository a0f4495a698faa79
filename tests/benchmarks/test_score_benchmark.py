import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_the_benchmark_of_scoring_finds_what_jiwer_finds_and_prints_ratios() -> None:
    command = [sys.executable, "benchmarks/score.py", "--words", "3000", "--rounds", "1"]
    told = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert "the same by both; 1 rounds" in told
    assert told.count("ratio ") == 2
