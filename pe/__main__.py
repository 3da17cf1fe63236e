"""`python -m pe`, as launchers of many processes call it."""

from pe.cli import main

main()
