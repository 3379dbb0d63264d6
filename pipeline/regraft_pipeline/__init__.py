"""Tasks, gates, steps, the Argo workflow and the command line."""
