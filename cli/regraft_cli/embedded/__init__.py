"""The embedded mode: MLflow, predictor, trigger service and worker as children of one process."""
