"""noema: a compiler for neural networks."""
