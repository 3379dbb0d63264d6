"""Triton by nvidia-pytriton as its documentation has it: ``python triton_server.py PORT MODEL``."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig
from same_model import SameModel

PORT = int(sys.argv[1])
MODEL = SameModel(sys.argv[2])
COLUMNS = [(one["name"], one["places"] is not None) for one in MODEL.model["columns"]]


@batch  # type: ignore[untyped-decorator]
def infer(**inputs: Any) -> dict[str, Any]:
    """Answer a batch."""
    words = {name for name, of_words in COLUMNS if of_words}
    columns = {
        name: [value.decode() for value in values[:, 0]] if name in words else values[:, 0].tolist()
        for name, values in inputs.items()
    }
    return {"answer": np.array(MODEL.predict(columns), dtype=np.float64)[:, np.newaxis]}


if __name__ == "__main__":
    config = TritonConfig(http_port=PORT, grpc_port=PORT + 1, metrics_port=PORT + 2)
    with Triton(config=config) as triton:
        triton.bind(
            model_name="reference",
            infer_func=infer,
            inputs=[Tensor(name=name, dtype=bytes if words else np.float64, shape=(1,)) for name, words in COLUMNS],
            outputs=[Tensor(name="answer", dtype=np.float64, shape=(1,))],
            config=ModelConfig(max_batch_size=1024),
        )
        triton.serve()
