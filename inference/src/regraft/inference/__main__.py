"""``python -m regraft.inference`` starts the predictor."""

from regraft.inference.server import main

main()
