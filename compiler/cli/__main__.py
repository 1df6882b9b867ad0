"""`python -m noema.cli`: the `noema` command without its script."""

from noema.cli import main

main()
