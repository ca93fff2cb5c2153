"""Runs the command line as a module."""

from euguess.cli.main import main

main()
