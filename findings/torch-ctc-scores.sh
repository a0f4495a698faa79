#!/usr/bin/env bash
# torch 2.13.0 (2.14.1 likewise; Python 3.11, CPU), torch.nn.functional.ctc_loss of scores that do not sum to one.
#
# CTC adds up the products along paths, whatever a frame's tokens sum to, and the loss is right for any scores. Some have use
# for that: label priors taken off the log-probabilities, a penalty on the blank, a weight on the whole. One would expect the
# gradient to be that loss's. It is another function's: backward() adds exp(score) to every token of every frame, which is
# right only for frames that sum to one and come out of a log_softmax, and drives all others towards a smaller sum. Nothing
# warns; the documentation has "logarithmized probabilities (e.g. obtained with log_softmax)", and pytorch's #52241, of 2021,
# is open. Here, where log priors are taken off, 200 steps down that gradient end with a larger loss than they began with.
#
# Every path takes one token of each frame; so the same loss is ctc_loss(scores.log_softmax(-1)) less the sum of the frames'
# logsumexp(scores), and of that the gradient is right: "in two terms".
#
# Output seen (loss; cosine of the gradient by the logits and of finite differences):
#   log-probabilities: 15.828, 1.000; in two terms 15.828, 1.000
#   less 0.5 of the log priors: 1.865, 0.821; in two terms 1.865, 1.000
#   less 1.0 of the log priors: -14.169, 0.497; in two terms -14.169, 1.000
#   200 steps down from -14.2: -5.5; in two terms -33.2
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check torch==2.13.0 numpy==2.4.6
"$folder/env/bin/python" - <<'PYTHON'
import sys

import torch
import torch.nn.functional as F
from torch import Tensor

torch.set_num_threads(1)
torch.manual_seed(0)
FRAMES, TARGET = 12, [1, 2, 2, 3]
PRIORS = torch.tensor([0.80, 0.08, 0.06, 0.04, 0.02], dtype=torch.float64)  # of the blank and four tokens
logits = torch.randn(FRAMES, len(PRIORS), dtype=torch.float64)


def plain(scores: Tensor) -> Tensor:
    return F.ctc_loss(scores, torch.tensor(TARGET), torch.tensor(FRAMES), torch.tensor(len(TARGET)), reduction="sum")


def in_two_terms(scores: Tensor) -> Tensor:
    return plain(scores.log_softmax(-1)) - scores.logsumexp(-1).sum()


def differences(function) -> Tensor:
    steps = 1e-5 * torch.eye(logits.numel(), dtype=logits.dtype).view(-1, *logits.shape)
    slopes = [(function(logits + step) - function(logits - step)) / 2e-5 for step in steps]
    return torch.stack(slopes).view_as(logits)


def compare(loss, weight):
    def function(x):
        return loss(x.log_softmax(-1) - weight * PRIORS.log())

    x = logits.clone().requires_grad_()
    value = function(x)
    value.backward()
    return value.item(), F.cosine_similarity(x.grad.flatten(), differences(function).flatten(), 0).item()


kept = True
for weight in (0.0, 0.5, 1.0):
    (one, its), (other, others) = compare(plain, weight), compare(in_two_terms, weight)
    name = f"less {weight} of the log priors" if weight else "log-probabilities"
    print(f"{name}: {one:.3f}, {its:.3f}; in two terms {other:.3f}, {others:.3f}")
    kept &= abs(one - other) < 1e-9 and others > 0.99999 and (its < 0.99 if weight else its > 0.99999)


def descend(loss):
    x = logits.clone().requires_grad_()
    for _ in range(200):
        (step,) = torch.autograd.grad(loss(x.log_softmax(-1) - PRIORS.log()), x)
        x = (x - 0.1 * step).detach().requires_grad_()
    return plain(x.log_softmax(-1) - PRIORS.log()).item()


before = plain(logits.log_softmax(-1) - PRIORS.log()).item()
after, right = descend(plain), descend(in_two_terms)
print(f"200 steps down from {before:.1f}: {after:.1f}; in two terms {right:.1f}")
sys.exit(0 if kept and right < before < after else 1)
PYTHON
