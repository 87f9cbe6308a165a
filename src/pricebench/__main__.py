"""`python -m pricebench`."""

from pricebench.cli import main

main()
