#!/usr/bin/env bash
# torch 2.14.1, torch.optim.Muon.
#
# Adam computes in the type of its parameters; Muon rounds every update to bf16, on any device and whatever the parameters are, and
# does its matrix products in it. A model trained in fp32 has updates of 8 bits; on a CPU without bf16 instructions, which is most of
# those with AVX2, PyTorch emulates them, and a step that would take a fraction of the backward pass takes several times as long as
# all of the rest of training. Autocast has no say. Here the same iteration in fp32 stands beside it, on whatever CPU this is and then
# with AVX2 alone, which the libraries' own switches bring about.
#
# Output seen:
#   fp32 parameters, updates that bf16 holds exactly: 147456 of 147456
#   AVX2: Muon's step ÷ the same in fp32: 19.7
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
"${PYTHON:-python3}" -m venv "$folder/venv"
"$folder/venv/bin/pip" install --quiet torch==2.14.1 numpy==2.2.6
cat > "$folder/steps.py" <<'PYTHON_CODE'
import sys
import time

import torch

torch.set_num_threads(1)
torch.manual_seed(0)
ROWS, COLUMNS = 192, 768


def fastest(step):
    took = []
    for _ in range(3):
        begun = time.process_time()
        step()
        took.append(time.process_time() - begun)
    return min(took)


def in_fp32(matrix):
    x = matrix / matrix.norm()
    for _ in range(5):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=-4.775, alpha=2.0315), x, beta=3.4445)
    return x


weight = torch.nn.Parameter(torch.zeros(ROWS, COLUMNS))
weight.grad = torch.randn(ROWS, COLUMNS)
muon = torch.optim.Muon([weight], lr=1.0, weight_decay=0.0)
if sys.argv[1] == "type":
    muon.step()
    assert weight.dtype == torch.float32
    update = weight.detach()
    exact = int((update == update.bfloat16().float()).sum())
    print(f"fp32 parameters, updates that bf16 holds exactly: {exact} of {update.numel()}")
    sys.exit(exact != update.numel())
gradient = weight.grad
ratio = fastest(muon.step) / fastest(lambda: in_fp32(gradient))
print(f"AVX2: Muon's step ÷ the same in fp32: {ratio:.1f}")
sys.exit(ratio < 4)
PYTHON_CODE
"$folder/venv/bin/python" "$folder/steps.py" type
export ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 MKL_ENABLE_INSTRUCTIONS=AVX2
"$folder/venv/bin/python" "$folder/steps.py" speed
