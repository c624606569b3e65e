# make run: the demo; make test: the tests. Needs python3 (3.11 to 3.14; 3.14 with its headers and a C compiler) and a package index.

PYTHON ?= python3
CORES ?= all
VERSION := $(shell $(PYTHON) -c 'import sys; print("%d.%d" % sys.version_info[:2])')
LOCK := envs/requirements-$(VERSION).txt
BIN := .venv/bin
READY := .venv/ready-$(VERSION)
PLUGIN := envs/slurm-$(VERSION).txt
FOR_TESTS := .venv/slurm-$(VERSION)
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes
PICTURE := demo/ihc.zarr/.zattrs
LOCKED := 3.11 3.12 3.13 3.14
COMPILE := .venv-lock/bin/uv pip compile --quiet --no-header --no-emit-index-url

.PHONY: setup setup-slurm run test lint schemas lock bench crash clean

setup: $(READY)

# `venv --clear` empties what is there, behind a link as well: only what was made here.
$(READY): $(LOCK)
	@if [ -L .venv ] || { [ -e .venv ] && ! ls .venv/ready-* .venv/of-make >/dev/null 2>&1; }; then \
	  echo "error: .venv is not one that make has made; move it away, or run without make, in it" >&2; exit 1; fi
	$(PYTHON) -m venv --clear .venv
	touch .venv/of-make
	$(INSTALL) -r $(LOCK)
	touch $@

# Snakemake's plugin for SLURM, apart since each start imports it, with pandas.
setup-slurm: $(READY)
	$(INSTALL) --no-deps -r $(PLUGIN)

$(LOCK):
	@echo "error: Python $(VERSION): there is a lock for each of $(LOCKED); take one of these, as in make PYTHON=python3.12" >&2; exit 1

run: $(PICTURE)
	$(BIN)/snakemake --cores $(CORES) --config on_recent_change=ignore

$(PICTURE): $(READY)
	$(BIN)/python benchmarks/write_demo.py demo/ihc.zarr
	touch $@

# A file of tests stays in one process, since its tests share servers; each process starts its own.
# Where there is a SLURM, its tests alone see its plugin: all others run as on a workstation.
test: $(READY) $(if $(shell command -v sbatch),$(FOR_TESTS))
	$(BIN)/python -m pytest --numprocesses=auto --maxprocesses=4 --dist=loadfile $(TESTS)

$(FOR_TESTS): $(READY) $(PLUGIN)
	rm -rf $@
	$(INSTALL) --no-deps --target $@ -r $(PLUGIN)
	touch $@

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/snakefmt --check Snakefile workflow/Snakefile workflow/rules
	$(BIN)/snakemake --lint --directory .test
	cd scripts && ../$(BIN)/lint-imports --config ../pyproject.toml
	$(BIN)/codespell
	$(BIN)/python scripts/export_schemas.py --check

schemas: $(READY)
	$(BIN)/python scripts/export_schemas.py

# One lock for each Python, each resolved for that Python alone: a resolve for all takes old releases.
# The container's and conda's have what the workflow needs and no more, in the versions of the locks.
lock:
	$(PYTHON) -m venv --clear .venv-lock
	.venv-lock/bin/python -m pip install --quiet --disable-pip-version-check uv
	for version in $(LOCKED); do \
	  { echo "# Locked requirements for Python $$version, made by \`make lock\` from development.in."; \
	    $(COMPILE) --generate-hashes \
	      --python-version $$([ $$version = 3.11 ] && echo 3.11.1 || echo $$version) \
	      envs/development.in; } > envs/requirements-$$version.txt || exit 1; \
	  { echo "# What envs/slurm.in needs besides the lock for Python $$version, made by \`make lock\`."; \
	    $(COMPILE) --generate-hashes \
	      --python-version $$([ $$version = 3.11 ] && echo 3.11.1 || echo $$version) \
	      --constraint envs/requirements-$$version.txt \
	      $$(sed -n 's/^\([a-z0-9-]*\)==.*/--no-emit-package \1/p' envs/requirements-$$version.txt) \
	      envs/slurm.in; } > envs/slurm-$$version.txt || exit 1; \
	done
	{ echo "# Made by \`make lock\` from requirements.in, for Python 3.13."; \
	  $(COMPILE) --generate-hashes --python-version 3.13 --constraint envs/requirements-3.13.txt \
	    envs/requirements.in; } > envs/container/requirements.txt
	{ sed '/^  - pip:/q' envs/environment.yaml; \
	  $(COMPILE) --no-annotate --python-version 3.12 --constraint envs/requirements-3.12.txt \
	    envs/requirements.in | sed 's/.*/      - "&"/'; } > .venv-lock/environment.yaml
	mv .venv-lock/environment.yaml envs/environment.yaml
	rm -rf .venv-lock

bench: $(READY)
	$(BIN)/python benchmarks/run.py

# Some 350 kills of jobs and of Snakemake, here and on S3, each resumed and compared with a whole run.
crash: $(READY)
	UPLIFT_CRASH_RUNS=40 $(BIN)/python -m pytest tests/crash

clean:
	rm -rf demo output results .snakemake
