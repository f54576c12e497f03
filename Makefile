# The two commands of the README: `make demo` and `make test`. Both set up what they need, once.
# `make pose` adds what `extract` and `score` need to the environment of `make demo`.
PYTHON ?= python3
VENV := .venv
FULL := .venv-full
BIN := $(VENV)/bin
PIP_FLAGS := --quiet --disable-pip-version-check
FULL_TESTS := tests/test_full_environment.py tests/extraction/engines tests/extraction/estimators/test_hrnet.py \
	tests/extraction/estimators/test_hrnet_paths.py tests/extraction/estimators/test_mmpose_model.py tests/extraction/detectors/test_ultralytics_setup.py \
	tests/extraction/detectors/test_ultralytics_yolo.py tests/commands/test_train_detector.py tests/extraction/features/test_torchvision_video.py \
	tests/test_wrong_pictures.py

# Two test processes on two cores: more threads than that only wait for each other.
tests full: export OMP_NUM_THREADS := 1

.PHONY: demo pose test checks lint types tests full clean

demo: $(VENV)/.light
	$(BIN)/python run.py demo

pose: $(VENV)/.pose

# While the first environment's checks run the second one is installed.
test: $(VENV)/.dev
	$(MAKE) --jobs 2 checks $(FULL)/.installed
	$(MAKE) full

checks:
	$(MAKE) lint
	$(MAKE) types
	$(MAKE) tests

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: $(VENV)/.dev
	$(BIN)/mypy

tests: $(VENV)/.dev
	$(BIN)/python -m pytest -n 2 --dist worksteal

# Everything that requirements.txt names, in an environment of its own: it installs, fits together, trains, and runs
# what needs mmpose and ultralytics.
full: $(FULL)/.installed
	$(FULL)/bin/pip check
	$(FULL)/bin/python -m pytest -q -n 2 --dist loadfile $(FULL_TESTS)

$(VENV)/.light: requirements-light.txt requirements-core.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install $(PIP_FLAGS) -r requirements-light.txt
	touch $@

$(VENV)/.pose: $(VENV)/.light requirements-pose.txt
	$(BIN)/pip install $(PIP_FLAGS) -r requirements-core.txt -r requirements-pose.txt
	$(BIN)/python -m extraction.weights.blazepose_weights
	touch $@

$(VENV)/.dev: $(VENV)/.pose requirements-dev.txt requirements-core.txt
	$(BIN)/pip install $(PIP_FLAGS) -r requirements-dev.txt
	touch $@

$(FULL)/.installed: requirements.txt requirements-core.txt requirements-pose.txt requirements-dev.txt shims/chumpy/pyproject.toml
	test -x $(FULL)/bin/python || $(PYTHON) -m venv $(FULL)
	nice $(FULL)/bin/pip install $(PIP_FLAGS) -r requirements.txt -r requirements-dev.txt
	touch $@

clean:
	rm -rf $(VENV) $(FULL)
