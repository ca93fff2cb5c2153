"""The version of the figures that runs report."""

# Raise it whenever the same recipe on the same photos may give other figures: after a change of a
# metric, the split, the training, the preprocessing or the report. It is a tag of every run, and
# part of the key of checkpoints, sweeps and stored measurements, so none of an older version is
# reused or resumed.
FIGURES_VERSION = 3
