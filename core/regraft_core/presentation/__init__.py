"""What page, report and terminal show of a state, a reason, a figure or a distribution."""
