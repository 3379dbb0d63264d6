"""Model versions in MLflow: register, read, promote, describe."""
