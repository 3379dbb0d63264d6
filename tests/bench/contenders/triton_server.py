"""Triton by nvidia-pytriton as its documentation has it: ``python triton_server.py PORT MODEL COLUMNS``.

``COLUMNS`` are the names, as JSON: of each whether it is of words.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
from pytriton.decorators import batch
from pytriton.model_config import ModelConfig, Tensor
from pytriton.triton import Triton, TritonConfig
from same_model import SameModel

PORT = int(sys.argv[1])
MODEL = SameModel(sys.argv[2])
COLUMNS: dict[str, bool] = json.loads(sys.argv[3])


@batch  # type: ignore[untyped-decorator]
def infer(**inputs: Any) -> dict[str, Any]:
    """Answer a batch."""
    columns = {
        name: [value.decode() for value in inputs[name][:, 0]] if words else inputs[name][:, 0].tolist()
        for name, words in COLUMNS.items()
    }
    return {"answer": np.array(MODEL.predict(columns), dtype=np.float64)[:, np.newaxis]}


if __name__ == "__main__":
    config = TritonConfig(http_port=PORT, grpc_port=PORT + 1, metrics_port=PORT + 2)
    with Triton(config=config) as triton:
        triton.bind(
            model_name="reference",
            infer_func=infer,
            inputs=[
                Tensor(name=name, dtype=bytes if words else np.float64, shape=(1,)) for name, words in COLUMNS.items()
            ],
            outputs=[Tensor(name="answer", dtype=np.float64, shape=(1,))],
            config=ModelConfig(max_batch_size=1024),
        )
        triton.serve()
