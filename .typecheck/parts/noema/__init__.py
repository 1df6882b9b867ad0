# Empty: only lets the checker look for noema.dialects and its like here too.
