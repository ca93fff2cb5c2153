"""Run the command line as a module: python -m euguess.cli."""

from euguess.cli.main import run

run()
