"""Where runs are submitted to and read from: Argo Workflows, or the embedded queue."""
