"""Figures that the original study reported, for comparison."""

from dataclasses import dataclass

from euguess.geography.countries import EU32

COUNTRIES = 32
PLACES = 14_260  # by its code
PLACES_REPORTED = 14_258
PHOTOS = 42_774
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


@dataclass(frozen=True)
class Variant:
    """A change to the run before tuning, and what the study says of it."""

    recipe: str
    change: str
    said: str


TUNING = (
    Variant("study/tuning-pixels-128", "128 px instead of 64", "same accuracy, more memory"),
    Variant("study/tuning-adam", "Adam instead of SGD", "tried, no figure"),
    Variant("study/tuning-restarts", "schedule of the tuned run", "tried, no figure"),
    Variant("study/tuning-constant-rate", "constant learning rate", "-"),
)

# Training on one heading of every place, without faults; compare with fixed/all.
ALL_REMOVED, ONE_VIEW = "fixed/all", "fixed/one-view"

# Recipes of the same network with three headings of all places, with one, and with three headings
# of a third of the places, which are as many photos.
PERSPECTIVES = {
    "GoogLeNet": (BEFORE_TUNING, "study/table3-googlenet", "study/table4-googlenet"),
    "ResNet-50": ("study/figures-resnet50", "study/table3-resnet50", "study/table4-resnet50"),
    "EfficientNet-B4": (
        "study/figures-efficientnet_b4",
        "study/table3-efficientnet_b4",
        "study/table4-efficientnet_b4",
    ),
}
GAIN_OF_PERSPECTIVES = 0.5  # "around 50 % higher" than with one, relative

LOADING = "study/loading"

# Places per country of the set that the study collected later: 1,097 places with 3,291 photos, by
# the labels in its published notebook.
RENEWAL_QUOTAS = {country.code: 35 for country in EU32} | {"TR": 12}


@dataclass(frozen=True)
class ReportedTime:
    """How long a step took in the study, by its write-ups or by the log of its code."""

    step: str
    seconds: tuple[float, float]  # from, to
    photos: int
    source: str

    @property
    def photos_per_second(self) -> float:
        """In the middle of the reported range."""
        return 2 * self.photos / sum(self.seconds)


JPEG_TIMES = (ReportedTime("load all JPEGs", (2 * 3600, 3 * 3600), PHOTOS, "write-ups"),)
TENSOR_TIMES = (
    ReportedTime("load the tensor files", (300, 300), PHOTOS, "poster: under 5 min"),
    ReportedTime("load the tensor files", (46, 46), 42_773, "log of the code"),
)

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
    ALL_REMOVED: "all of them",
}
