"""What noema understands of a network: its components, their cost here, what could be better."""
