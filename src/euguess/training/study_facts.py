"""Figures that the original study reported, for comparison."""

from dataclasses import dataclass

COUNTRIES = 32
PLACES = 14_260
CHANCE = 1 / COUNTRIES
BEST = "study/table2-googlenet"
BEFORE_TUNING = "study/table2-googlenet-before-tuning"


@dataclass(frozen=True)
class StudyRun:
    """A row of the study's tables; recipe is the file that reproduces it, without suffix."""

    recipe: str
    title: str
    accuracy: float
    renewal: float | None = None  # accuracy on locations collected later


@dataclass(frozen=True)
class StudyTable:
    """A table of the study, with its number and title."""

    number: int
    title: str
    runs: tuple[StudyRun, ...]


TABLES = (
    StudyTable(
        2,
        "three headings, all places",
        (
            StudyRun(BEST, "GoogLeNet", 0.251, renewal=0.16),
            StudyRun(BEFORE_TUNING, "GoogLeNet before tuning", 0.209),
            StudyRun("study/table2-customnet", "CustomNet", 0.162),
        ),
    ),
    StudyTable(
        3,
        "one heading, all places",
        (
            StudyRun("study/table3-googlenet", "GoogLeNet", 0.148),
            StudyRun("study/table3-resnet50", "ResNet-50", 0.14),
            StudyRun("study/table3-efficientnet_b4", "EfficientNet-B4", 0.1196),
        ),
    ),
    StudyTable(
        4,
        "three headings, a third of the places",
        (
            StudyRun("study/table4-googlenet", "GoogLeNet", 0.126),
            StudyRun("study/table4-resnet50", "ResNet-50", 0.128),
            StudyRun("study/table4-efficientnet_b4", "EfficientNet-B4", 0.123),
        ),
    ),
)

# Share of photos located within 750 km, worldwide. Table 2 lists them beside country accuracy.
WITHIN_750_KM = {
    "Im2GPS": 0.23,
    "Im2GPS (new)": 0.354,
    "PlaNet, 0.9 million photos": 0.216,
    "PlaNet, 6.2 million photos": 0.456,
    "PlaNet, 91 million photos": 0.536,
}

# The networks of figures 6 to 8, on three headings of all places for ten epochs each: GoogLeNet is
# the run before tuning. Figure 5 shows photos.
FIGURE_RUNS = {
    BEFORE_TUNING: "GoogLeNet",
    "study/figures-resnet50": "ResNet-50",
    "study/figures-efficientnet_b4": "EfficientNet-B4",
    "study/figures-vgg16": "VGG16",
    "study/table2-customnet": "CustomNet",
}

# Recipes with one fault of the best run removed, and with all.
REMOVED = {
    "fixed/train-mode": "evaluation mode while training",
    "fixed/countries-head": "1000-way ImageNet head",
    "fixed/shuffling": "same order in every epoch",
    "fixed/validation": "no validation",
    "fixed/right-average": "mean of batches",
    "fixed/location-split": "split over images",
    "fixed/all": "all of them",
}
