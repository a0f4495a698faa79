"""An exported ONNX model with its weights in 8 bits: less than half the size.

Weights alone: what meets them stays in fp32, so that a recording is heard alike alone and beside others. Dynamic
quantisation takes its ranges over a whole batch, padding included.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from asr.errors import UserError

BLOCK = 32
"""Weights that share a scale."""


def file_name(model: Path) -> Path:
    """Where the quantised form of an ONNX model lies: beside it, by the name that is usual."""
    return model.with_suffix(".int8.onnx")


def quantise(model: Path) -> Any:
    """Write the quantised form of an ONNX model beside it; returns a session of ONNX Runtime that runs it.

    Raises:
        UserError: this onnxruntime cannot quantise, or run, weights of 8 bits.
    """
    try:
        import onnx
        import onnxruntime
        from onnxruntime.quantization.matmul_nbits_quantizer import DefaultWeightOnlyQuantConfig, MatMulNBitsQuantizer

        whole = onnx.load(str(model))
        # The first product makes mel bands of powers, before a logarithm that would show what 8 bits leave of them.
        mel = next(node.name for node in whole.graph.node if node.op_type == "MatMul")
        config = DefaultWeightOnlyQuantConfig(block_size=BLOCK, is_symmetric=True, bits=8)
        quantizer = MatMulNBitsQuantizer(whole, algo_config=config, nodes_to_exclude=[mel])
        quantizer.process()
        quantizer.model.save_model_to_file(str(file_name(model)))
        return onnxruntime.InferenceSession(str(file_name(model)), providers=["CPUExecutionProvider"])
    except (ImportError, TypeError, ValueError, RuntimeError) as error:
        raise UserError(
            f"{model.name}: this onnxruntime cannot hold weights in 8 bits ({' '.join(str(error).split())[:200]}); "
            "export without --int8, or take onnxruntime 1.32, with which it was tried"
        ) from None
