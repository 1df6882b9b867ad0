"""What the parts of a network are for: the steps of pass `classify`, on `dialects.graph.Graph`."""
