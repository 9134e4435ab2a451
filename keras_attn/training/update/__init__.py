"""One update of the weights: loss, gradient, optimizer, schedule, metrics (Section 5)."""
