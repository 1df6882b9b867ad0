"""A workload profile for people: in the terminal, and as a page."""
