"""Dynamic quantization: 8-bit weights of matrix products; their inputs are quantized as they come.

Convolutions stay float32: with them the boundaries moved four times as far, for 5 % of the size.
"""

import logging
from pathlib import Path

OPERATORS = ("MatMul", "Gemm")


def quantize(path: Path) -> None:
    """Replace the weights of a graph by 8-bit ones.

    Each column of a weight has a scale of its own. Weights use 7 bits: with 8, processors without
    VNNI instructions overflow.
    """
    import onnx
    from onnxruntime.quantization import QuantType, quantize_dynamic

    level = logging.root.manager.disable
    logging.disable(logging.WARNING)  # advice about pre-processing, which changes nothing here
    try:
        quantize_dynamic(
            onnx.load(path), path, per_channel=True, reduce_range=True,
            weight_type=QuantType.QInt8, op_types_to_quantize=list(OPERATORS),
        )  # fmt: skip
        path.with_name(f"{path.name}.data").unlink(missing_ok=True)  # weights of a large model
    finally:
        logging.disable(level)
