"""Facts of the study that tests check the project against."""

STUDY_NETWORKS = ("customnet", "efficientnet_b4", "googlenet", "resnet50", "vgg16")
