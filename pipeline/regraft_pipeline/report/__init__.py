"""What people see of a run: the data report and MLflow's plots."""
