"""Names in the model registry, shared by the trainer, the model agent and the clients."""

REGISTERED_MODEL = "euguess"
CHAMPION = "champion"
MODEL_ARTIFACTS = "model"  # artifact folder of a version's run
