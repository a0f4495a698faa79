#!/usr/bin/env bash
# ONNX Runtime 1.32.0 (onnx 1.23.2, numpy 2.4.6, Python 3.11): `quantize_dynamic`, the usual way to int8 models of speech.
#
# "Dynamic" says that activations are quantised by what they are when the model runs. One would expect each utterance of a
# batch to be quantised by its own range, so that it gets what it gets alone, as it does in fp32. There is one scale for the
# whole tensor: DynamicQuantizeLinear takes the least and the largest value of all of it. So what is heard of an utterance
# depends on which others are in its batch. Beside one that is a hundred times as loud, a quiet one is left with the three or
# so of 256 levels around 0, and is off by most of what it should be; padding by zeros changes nothing.
# Whoever decodes in batches with such a model gets other transcripts than file by file, and others for another order of files.
# Weights alone in 8 bits (MatMulNBits) have no such scale.
#
# Seen, largest difference from the same utterance alone, as a share of its largest output:
#   fp32 beside a loud one: 0.000
#   int8 beside a loud one: 0.719
#   int8 beside one that is as loud: 0.010
#   int8 beside silence: 0.000
set -euo pipefail
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
python3 -m venv "$folder/env"
"$folder/env/bin/pip" install --quiet --disable-pip-version-check onnxruntime==1.32.0 onnx==1.23.2 numpy==2.4.6
cd "$folder"
"$folder/env/bin/python" - <<'PYTHON'
import sys

import numpy as np
import onnx
import onnxruntime as ort
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic

rng = np.random.default_rng(0)
weight = numpy_helper.from_array(rng.standard_normal((80, 32)).astype(np.float32), "weight")
shape = ["batch", "frames"]
graph = helper.make_graph(
    [helper.make_node("MatMul", ["features", "weight"], ["heard"])],
    "one layer",
    [helper.make_tensor_value_info("features", TensorProto.FLOAT, [*shape, 80])],
    [helper.make_tensor_value_info("heard", TensorProto.FLOAT, [*shape, 32])],
    [weight],
)
onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10), "fp32.onnx")
quantize_dynamic("fp32.onnx", "int8.onnx", weight_type=QuantType.QInt8)
models = {name: ort.InferenceSession(f"{name}.onnx", providers=["CPUExecutionProvider"]) for name in ("fp32", "int8")}


def hear(name, batch):
    return models[name].run(None, {"features": batch})[0]


quiet, other = rng.standard_normal((2, 1, 50, 80)).astype(np.float32)
found = {}
for name, beside, by in (("fp32", "a loud one", 100), ("int8", "a loud one", 100), ("int8", "one that is as loud", 1), ("int8", "silence", 0)):
    alone, together = hear(name, quiet), hear(name, np.concatenate([quiet, by * other]))[:1]
    found[name, beside] = np.abs(together - alone).max() / np.abs(alone).max()
    print(f"{name} beside {beside}: {found[name, beside]:.3f}")
same = found["fp32", "a loud one"] < 1e-5 and found["int8", "silence"] < 1e-5
sys.exit(not (same and found["int8", "a loud one"] > 0.1))
PYTHON
