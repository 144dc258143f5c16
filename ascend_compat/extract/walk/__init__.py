"""The operator walk: what an architecture's code instantiates and calls on an NPU, read by ``ast`` alone."""
