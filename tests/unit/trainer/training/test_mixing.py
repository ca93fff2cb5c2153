"""Mixup and cutmix: images mixed in pairs, labels in the same shares."""

from collections.abc import Callable

import numpy as np
import pytest
import torch

from euguess.training.recipes.sections import Augmentation
from services.trainer.loading.batches import Batch
from services.trainer.training.mixing import cutmix, mixed, mixup

SIZE = 16
Mixing = Callable[[Batch, float, np.random.Generator], Batch]


def batch(count: int = 4) -> Batch:
    """Image n has the value n in every pixel, and the label n."""
    labels = torch.arange(count)
    return Batch(labels.float()[:, None, None, None].expand(count, 3, SIZE, SIZE).clone(), labels)


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("mixing", [mixup, cutmix])
def test_the_share_of_the_label_is_the_share_of_the_image(mixing: Mixing, seed: int) -> None:
    plain = batch()
    mixture = mixing(plain, 1.0, np.random.default_rng(seed))
    assert mixture.partners is not None
    assert mixture.partners.tolist() == [3, 0, 1, 2]
    expected = mixture.share * plain.labels + (1 - mixture.share) * mixture.partners
    assert mixture.images.mean(dim=(1, 2, 3)).tolist() == pytest.approx(expected.tolist(), abs=1e-5)
    assert 0 <= mixture.share <= 1


def test_cutmix_pastes_one_box_and_blends_nothing() -> None:
    mixture = cutmix(batch(), 1.0, np.random.default_rng(1))
    first = mixture.images[0, 0]
    assert set(first.flatten().tolist()) == {0.0, 3.0}
    rows, columns = torch.nonzero(first == 3, as_tuple=True)
    box = first[rows.min() : rows.max() + 1, columns.min() : columns.max() + 1]
    assert bool((box == 3).all())


def test_mixing_depends_only_on_the_epochs_seed() -> None:
    both = Augmentation(mixup=0.4, cutmix=1.0)
    first, same, other = (list(mixed([batch()] * 12, both, seed)) for seed in (1, 1, 2))
    assert [b.share for b in first] == [b.share for b in same]
    assert [b.share for b in first] != [b.share for b in other]
    kinds = {len(set(b.images[0].flatten().tolist())) for b in first}
    assert kinds == {1, 2}  # blended, and pasted


def test_without_mixing_batches_are_unchanged() -> None:
    plain = batch()
    assert next(mixed([plain], Augmentation(), 1)) is plain


def test_parts_of_a_mixed_batch_keep_their_partner_labels() -> None:
    mixture = mixup(batch(10), 1.0, np.random.default_rng(0))
    parts = mixture.parts(3)
    assert [len(part.labels) for part in parts] == [4, 3, 3]
    assert mixture.partners is not None
    assert torch.cat([p.partners for p in parts if p.partners is not None]).equal(mixture.partners)
    assert {part.share for part in parts} == {mixture.share}


@pytest.mark.parametrize(("images", "parts"), [(1, 1), (3, 1), (5, 2), (64, 8)])
def test_a_part_has_enough_images_for_batch_statistics(images: int, parts: int) -> None:
    assert len(batch(images).parts(8)) == parts
