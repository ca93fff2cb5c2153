#!/bin/sh
# What of torch an image keeps: cpu (without what only a GPU needs) or gpu (everything).
set -eu
case "$1" in
    cpu) /opt/torch/bin/python trim_torch.py ;;
    gpu) echo "all CUDA libraries stay" ;;
    *) echo "ACCELERATOR is cpu or gpu, not $1" >&2; exit 1 ;;
esac
