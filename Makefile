# Two commands: `make book` and `make test`. Both set up .venv first, with uv if it is installed, else with pip.
STUDY ?= simulated_cities
VENV  ?= .venv
BIN    = $(VENV)/bin
UV    := $(shell command -v uv 2>/dev/null)
FITS   = import sys; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 14))
PYTHON = $(shell for p in python3.11 python3.12 python3.13 python3; do \
           $$p -c '$(FITS)' >/dev/null 2>&1 && command -v $$p && break; done)
# uv does not read pip's settings: hand over pip's wheel folders, those that exist
WHEELS = $(foreach folder,$(wildcard $(PIP_FIND_LINKS)),--find-links $(folder))
# numba compiles the painter at its first picture and keeps it beside the code
PAINT  = "from simcities import renderer, simulation; world = simulation.World(city_count=1, photos_per_city=1); \
           renderer.render(world.city(0), *world.shots(world.city(0)), world.picture_px)"
# tests in two processes, those of a file in one of them
PYTEST = $(BIN)/python -m pytest -n 2 --dist loadfile
CONFIG = --config study=$(STUDY) $(if $(PUBLISHED),published=true)

export OMP_NUM_THREADS ?= 1
# where nothing can be written at home, caches lie with all else that is made
ifneq ($(shell test -w "$(HOME)" && echo yes),yes)
export XDG_CACHE_HOME ?= $(CURDIR)/build/.home
export XDG_CONFIG_HOME ?= $(CURDIR)/build/.home
endif
# what lies here is used, also where .venv came along with a copied folder
export PYTHONPATH := $(CURDIR)

.PHONY: help setup book check-data why check test test-slow test-notebooks test-real publish verify bench regime lab

help:       ## this list
	@grep -hE '^[a-z-]+: .*##' $(firstword $(MAKEFILE_LIST)) | sed 's/:.*##/ -/'

setup: $(VENV)/.ready  ## .venv with everything, at the versions of constraints.txt

$(VENV)/.ready: pyproject.toml constraints.txt
	@echo "setting up $(VENV): some minutes the first time"
ifneq ($(UV),)
	$(UV) venv -q --allow-existing --python "$(or $(PYTHON),3.11)" "$(VENV)"
	$(UV) pip install -q --python "$(BIN)/python" $(WHEELS) -c constraints.txt -e ".[dev]"
else
	@test -n "$(PYTHON)" || { echo "geonb needs Python 3.11, 3.12 or 3.13: none is on the PATH; make PYTHON=/path/to/it" >&2; exit 1; }
	"$(PYTHON)" -m venv "$(VENV)"
	"$(BIN)/python" -m pip install -q -c constraints.txt -e ".[dev]"
endif
	@echo "compiling the painter of the simulated cities: two minutes"
	@$(BIN)/python -c $(PAINT)
	@touch $@

book: setup  ## run what changed of a study and build its book: make book STUDY=simulated_cities
	@rm -f "build/$(STUDY)/failed.json"
	@GEONB_MAKE_PID=$$PPID $(BIN)/snakemake all $(CONFIG) || { \
	  test ! -e "build/$(STUDY)/failed.json" || $(BIN)/python -m geonb.book.build $(STUDY); exit 1; }
	@echo "open $(CURDIR)/build/$(STUDY)/_build/html/index.html"

check-data: setup  ## can a study of real photos work, and how long will it take? seconds: make check-data STUDY=mine
	@$(BIN)/python -m geonb.book.check_data "$(STUDY)"

why: setup  ## what `make book` would run, and why
	@$(BIN)/snakemake all $(CONFIG) --dry-run --quiet host

publish: book  ## copy the tables and headline numbers of a finished study to data/results/, to be committed alone
	@$(BIN)/python -m geonb.book.headline publish $(STUDY)

verify: setup  ## does a finished run of a study repeat the published numbers?
	@$(BIN)/python -m geonb.book.headline verify $(STUDY)

bench: setup  ## measure speeds on this machine: benchmarks/results.json
	$(BIN)/python benchmarks/run.py

regime: setup  ## do simulated cities leave room for methods? minutes: make regime WORLDS="10 11" PHOTOS=100 R2=tower
	@$(BIN)/python -m experiments.laboratory.regime $(if $(WORLDS),--worlds $(WORLDS)) $(if $(PHOTOS),--photos $(PHOTOS)) \
	  $(if $(R2),--r2 $(R2))

lab: setup  ## open the notebooks in JupyterLab
	$(BIN)/jupyter lab notebooks

check: setup  ## style and unit tests, for everyday work: minutes
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/nbstripout --keep-id --verify notebooks/*.ipynb
	$(PYTEST) tests -m "not real and not browser and not slow" --ignore=tests/test_built_book.py

test: check  ## everything but the books of real photos: check, slow unit tests, every notebook once, the book with warnings as errors
	@rm -rf build/smoke
	@$(MAKE) -j 2 test-slow test-notebooks
	@echo "building the book of study smoke, warnings are errors"
	@mkdir -p build/smoke/logs
	@$(BIN)/python -m geonb.book.build smoke >build/smoke/logs/book.log 2>&1 || { cat build/smoke/logs/book.log; exit 1; }
	$(PYTEST) tests/test_built_book.py tests/test_browser.py
	@echo "not run here: the books of real photos (make test-real)"

test-slow: setup
	$(BIN)/python -m pytest tests -m "slow and not real and not browser"

test-notebooks: setup
	$(BIN)/python -m pytest --nbmake notebooks --nbmake-timeout 3600 --exitfirst

test-real: setup  ## whole books of the real photos in GEONB_REAL_DATA
	@test -d "$(GEONB_REAL_DATA)" || { echo "make test-real needs GEONB_REAL_DATA, the folder of real photos: it is '$(GEONB_REAL_DATA)'" >&2; exit 1; }
	$(BIN)/python -m pytest tests -m real
