"""Names in the model registry, shared by the trainer, the model agent and the clients."""

REGISTERED_MODEL = "euguess"
CHAMPION = "champion"
SEEN_FILE = "seen.json"  # SeenViews of a run
MODEL_ARTIFACTS = "model"  # artifact folder of a version's run
