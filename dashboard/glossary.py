"""Terms as tooltips explain them: the sentences of docs/reference/glossary.md, in plain text."""

TERMS = {
    "abstain": "What the model does when it is not confident enough to be right 9 times out of 10.",
    "champion": "The model version that TorchServe serves.",
    "country set": (
        "A set of the most likely countries that contains the true one for 90 % of places."
    ),
    "dead letter": (
        "A message or slot that was rejected or failed for good, kept with the reason. It is never "
        "retried and never dropped."
    ),
    "fused": "Computed from several views of a place by averaging their log-probabilities.",
    "honest": "Measured on places that share nothing with training.",
    "leaky": "Measured on photos whose places were also trained on.",
    "manifest": "The Parquet index of a dataset, one row per view.",
    "recipe": "A TOML file that describes a training run.",
    "split": (
        "The division of a dataset into a training set (train), a validation set (val) and a test "
        "set (test)."
    ),
    "view": "One photo of a location at a heading (0, 120 and 240 degrees by default).",
}


def explain(*terms: str) -> str:
    """Return the tooltip that explains terms, one paragraph each."""
    return "\n\n".join(f"**{term.capitalize()}**: {TERMS[term]}" for term in terms)
