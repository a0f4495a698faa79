#!/bin/sh
# Two packages that average weights, torch-ema 0.3 (SpeechBrain's SGMSE+ uses it) and ema-pytorch 0.8.3, with torch 2.14.1.
#
# 1. An average is saved with a decay of 0.99 and loaded into one that was made with 0.9. torch-ema goes on with the saved
#    0.99, ema-pytorch with the new 0.9; neither says anything. One would expect both to do the same, or to complain.
# 2. ema-pytorch moves its average at every tenth call of update() unless told otherwise (update_every=10), and does not
#    make up for it: with beta=0.99 a weight's half-life is some 690 calls instead of the 69 that a decay of 0.99 has.
#
# Output seen on 2026-11-30:
#   goes on with: torch-ema 0.990, ema-pytorch 0.900
#   calls until half of a jump is made up for: torch-ema 69, ema-pytorch 681 to 690
set -eu
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
export PYTHONPATH="$folder"
python3 -c 'import torch' 2>/dev/null || python3 -m pip install --quiet --target "$folder" torch==2.14.1
python3 -m pip install --quiet --no-deps --target "$folder" torch-ema==0.3 ema-pytorch==0.8.3 2>/dev/null

python3 - <<'PYTHON'
import torch
from ema_pytorch import EMA
from torch_ema import ExponentialMovingAverage


def model():
    linear = torch.nn.Linear(1, 1, bias=False)
    torch.nn.init.zeros_(linear.weight)
    return linear


def of_torch_ema(net, decay):
    ema = ExponentialMovingAverage(net.parameters(), decay=decay)
    return ema, ema.update, lambda: ema.shadow_params[0].item()


def of_ema_pytorch(net, decay):
    ema = EMA(net, beta=decay)
    return ema, ema.update, lambda: ema.ema_model.weight.item()


def settle(make, net):
    ema, update, value = make(net, 0.99)
    for _ in range(3000):  # Beyond the warm-ups of both.
        update()
    return ema, update, value


decays, calls = [], []
for make in (of_torch_ema, of_ema_pytorch):
    net = model()
    state = settle(make, net)[0].state_dict()
    ema, update, value = make(net, 0.9)
    ema.load_state_dict(state)
    torch.nn.init.ones_(net.weight)
    while value() == 0:
        update()
    decays.append(1 - value())

    net = model()
    _, update, value = settle(make, net)
    torch.nn.init.ones_(net.weight)
    count = 0
    while value() < 0.5:
        update()
        count += 1
    calls.append(count)
print(f"goes on with: torch-ema {decays[0]:.3f}, ema-pytorch {decays[1]:.3f}")
print(f"calls until half of a jump is made up for: torch-ema {calls[0]}, ema-pytorch {calls[1]}")
assert [round(d, 3) for d in decays] == [0.99, 0.9]
assert calls[0] == 69 and 681 <= calls[1] <= 690
PYTHON
