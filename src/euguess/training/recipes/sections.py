"""The sections of a recipe: split, optimisation, schedule, augmentation and the rest."""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from euguess.training.recipes.split_spec import SplitProtocol, SplitSpec


class Section(BaseModel):
    """A frozen table of a recipe that rejects unknown keys."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class SplitOptions(Section):
    """[split]: which views are trained on and which tested; see services.trainer.splits.splits."""

    protocol: SplitProtocol = Field(
        default=SplitProtocol.LOCATION,
        description="`image` (leaky, the study's), `location`, `location+buffer` or `spatial`",
    )
    test_fraction: float = Field(
        default=0.2, gt=0, lt=1, description="Share of the locations that are tested"
    )
    val_fraction: float = Field(
        default=0.1,
        ge=0,
        lt=1,
        description="Share of the locations for validation; without any, the last epoch is kept",
    )
    buffer_km: float = Field(
        default=5.0,
        gt=0,
        le=1000,
        description="Least distance between training and test locations, for `location+buffer`",
    )
    block_km: float = Field(
        default=100.0,
        gt=0,
        le=1000,
        description="Side of the blocks of land that `spatial` keeps together",
    )
    seed: int = Field(
        default=0,
        ge=0,
        description="Seed of the split alone, so that runs can differ on the same split",
    )

    @model_validator(mode="after")
    def _something_is_left_to_train_on(self) -> "SplitOptions":
        if self.test_fraction + self.val_fraction >= 1:
            raise ValueError("test_fraction and val_fraction must add up to less than 1")
        return self

    @property
    def spec(self) -> SplitSpec:
        return SplitSpec(**self.model_dump())


class Optimisation(Section):
    """[optimizer]. momentum is used by sgd alone."""

    name: Literal["sgd", "adam", "adamw"] = Field(
        default="adamw",
        description="Kingma and Ba 2015 (`adam`); Loshchilov and Hutter 2019 (`adamw`)",
    )
    learning_rate: float = Field(
        default=1e-3, gt=0, le=10, description="Peak learning rate of the head"
    )
    weight_decay: float = Field(
        default=1e-4, ge=0, le=10, description="Strength of the pull of weights towards 0"
    )
    momentum: float = Field(default=0.9, ge=0, lt=1, description="Momentum of `sgd`")
    decayed: Literal["all", "matrices"] = Field(
        default="all",
        description="`matrices` exempts norms, biases and tokens from weight decay (He et al. "
        "2019, Bag of Tricks)",
    )
    accumulation: int = Field(
        default=1,
        ge=1,
        le=1000,
        description="Parts in which a batch goes through the network, to save memory; batch "
        "statistics are those of the parts",
    )
    clip_norm: float = Field(
        default=0.0, ge=0, description="Longest gradient; 0 means no limit (Pascanu et al. 2013)"
    )


class Schedule(Section):
    """[schedule]: the learning rate over epochs (Loshchilov and Hutter, SGDR, 2017)."""

    name: Literal["cosine", "cosine-warm-restarts", "none"] = Field(
        default="none",
        description="`cosine` falls once, `cosine-warm-restarts` again and again (Loshchilov and "
        "Hutter 2017, SGDR)",
    )
    warmup_epochs: float = Field(
        default=0.0,
        ge=0,
        description="Epochs of linear warm-up before a `cosine` (Goyal et al. 2017)",
    )
    t_0: int = Field(default=10, ge=1, description="Epochs until the first restart")
    t_mult: int = Field(default=1, ge=1, description="Factor by which each further period grows")
    eta_min: float = Field(default=0.0, ge=0, description="Lowest learning rate")


class Augmentation(Section):
    """[augmentation], on the device. There is no flip: it would hide the driving side."""

    shift: float = Field(
        default=0.0,
        ge=0,
        le=0.5,
        description="Largest random shift, as a share of the side; borders are mirrored",
    )
    zoom: float = Field(
        default=0.0, ge=0, lt=1, description="Largest share of the side that is cropped away"
    )
    brightness: float = Field(
        default=0.0, ge=0, lt=1, description="Largest random change of brightness"
    )
    contrast: float = Field(
        default=0.0, ge=0, lt=1, description="Largest random change of contrast"
    )
    saturation: float = Field(
        default=0.0, ge=0, lt=1, description="Largest random change of saturation"
    )
    randaugment: int = Field(
        default=0,
        ge=0,
        le=10,
        description="Random operations on each image, out of torchvision's 14; none is a flip "
        "(Cubuk et al. 2020)",
    )
    magnitude: int = Field(default=9, ge=0, le=30, description="Strength of these operations")
    mixup: float = Field(
        default=0.0,
        ge=0,
        le=10,
        description="Both parameters of the Beta distribution by which pairs are blended; 0 turns "
        "it off (Zhang et al. 2018)",
    )
    cutmix: float = Field(
        default=0.0,
        ge=0,
        le=10,
        description="The same for pasted boxes; with both, each batch gets one of them (Yun et al. "
        "2019)",
    )


class FineTuning(Section):
    """[fine_tuning]: what of a pretrained network is trained; the rest stays as it is."""

    trained: Literal["head", "last-block", "all"] = Field(
        default="all",
        description="`head`, or `last-block` and the layers after it; the rest keeps its weights "
        "and batch statistics",
    )
    layer_decay: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Learning rate of a depth relative to the next one up; `vit_b_16` has 14 "
        "depths, `resnet50` 18, `efficientnet_v2_s` 43 (Clark et al. 2020, ELECTRA; "
        "Bao et al. 2021, BEiT)",
    )


class Smoothing(Section):
    """[smoothing]: which other countries get the label_smoothing."""

    by: Literal["uniform", "distance"] = Field(
        default="uniform",
        description="Which countries share `label_smoothing`: all equally, or by exp(-distance / "
        "scale) (Haas et al. 2024, PIGEON, with countries for geocells)",
    )
    scale_km: float = Field(
        default=500.0,
        ge=1,
        le=20_000,
        description="That scale; distances are between centres of countries",
    )


class Balance(Section):
    """[balance]: for countries with few photos."""

    logit_adjustment: float = Field(
        default=0.0,
        ge=0,
        le=5,
        description="tau: log frequencies of countries are added to the logits in training; 1 aims "
        "at macro recall rather than accuracy (Menon et al. 2021)",
    )
    sampling: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="Photos are drawn by (photos of the country) ^ -this, with replacement: 1 "
        "draws countries equally, 0.5 by square roots (Mahajan et al. 2018)",
    )


class Subset(Section):
    """[subset]: train and test on a part of the places, drawn by a hash of their ids."""

    share: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Share of the locations of each country that is used, drawn by a hash of their "
        "ids",
    )
    seed: int = Field(default=0, ge=0, description="Another seed draws other locations")


class Faults(Section):
    """[faults] of the original study, each as a switch; the image split is split.protocol.

    A run with any of them is never called honest and never promoted.
    """

    eval_mode_while_training: bool = Field(
        default=False, description="Batch normalisation and dropout are frozen in training too"
    )
    keeps_imagenet_head: bool = Field(
        default=False,
        description="1000 outputs share the softmax of the loss; the first of them are the "
        "countries, the others are cut off before the test",
    )
    no_shuffling: bool = Field(default=False, description="One random order for all epochs")
    no_validation: bool = Field(
        default=False,
        description="Train on the validation set too, and keep the last epoch",
    )
    mean_of_batches: bool = Field(
        default=False,
        description="The study's mis-averaged accuracy is reported beside the right one",
    )

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the faults that are on."""
        return tuple(name for name, is_on in self if is_on)
