"""``python mlflow_model.py MODEL.joblib FOLDER``: the reference model as one of MLflow."""

from __future__ import annotations

import sys

import joblib
import mlflow.sklearn

if __name__ == "__main__":
    mlflow.sklearn.save_model(
        joblib.load(sys.argv[1]), sys.argv[2], pip_requirements=[], serialization_format="cloudpickle"
    )
