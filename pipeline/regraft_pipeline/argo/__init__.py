"""The pipeline on Argo Workflows: the template that Hera renders, and the process in each container."""
