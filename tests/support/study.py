"""Facts of the study that tests compare the project with."""

STUDY_NETWORKS = ("customnet", "efficientnet_b4", "googlenet", "resnet50", "vgg16")
