"""The served artifact and the server: bundle, estimators, KServe's ModelServer."""
