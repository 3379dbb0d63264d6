"""What every part of Regraft shares. No web framework, no cluster, no estimator."""
