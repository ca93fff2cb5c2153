"""Runs the command line as a module."""

from euguess.cli.main import run

run()
