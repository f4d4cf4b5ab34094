#!/usr/bin/env bash
# Lifecycle configuration of a JupyterLab space in SageMaker Studio (image 4.x): installs sagelab from the archive
# that `make studio` built, which lies in the home folder or where SAGELAB_ARCHIVE says.
#
# The notebooks run in the image's own Python, of which no package is changed. The local cloud cannot live there: it
# gets an environment and a kernel of its own, which takes minutes and goes on behind the start of the space.
set -euo pipefail
cd "$HOME"
[ -d sagelab ] || tar -xzf "${SAGELAB_ARCHIVE:-$HOME/sagelab-studio.tar.gz}"
mkdir -p -m 700 .sagelab

python3 -m pip list --disable-pip-version-check --format=freeze > .sagelab/image.txt
python3 -m pip install --quiet --constraint .sagelab/image.txt sagelab/dist/*.whl

nohup python3 sagelab/tools/setup.py "$HOME/.sagelab/environment" --kernel > .sagelab/environment.log 2>&1 &
