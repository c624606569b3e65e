#!/bin/sh
# What Dockerfile and apptainer.def run: the locked requirements go to /opt/venv.
set -eu
export DEBIAN_FRONTEND=noninteractive
# git: Snakemake reads the source of a workflow's rules with it; gcc: for what has no wheel
build="gcc libc6-dev python3-dev"
apt-get update
# shellcheck disable=SC2086 # several words
apt-get install --yes --no-install-recommends ca-certificates git python3 python3-venv $build
python3 -m venv /opt/venv
/opt/venv/bin/pip install --no-cache-dir --require-hashes \
  -r /opt/ngff-uplift/envs/container/requirements.txt
# shellcheck disable=SC2086
apt-get purge --yes --auto-remove $build
apt-get clean
rm -rf /var/lib/apt/lists/*
