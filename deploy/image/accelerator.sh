#!/bin/sh
# Trim torch in an image: cpu removes what only a GPU needs, gpu keeps everything.
set -eu
case "$1" in
    cpu) /opt/torch/bin/python trim_torch.py ;;
    gpu) echo "keeping all CUDA libraries" ;;
    *) echo "ACCELERATOR must be cpu or gpu, not $1" >&2; exit 1 ;;
esac
