# make mini: the whole road on the embedded corpus. make test: the tests. make help: all of it.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.PHONY: help env mini tables test lint bench clean

help:  ## show this
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 10

env: $(STAMP)  ## build the environment

$(STAMP): setup.py tools/find_python.sh
	python=$$(tools/find_python.sh) && $$python -m venv --clear $(VENV)
	$(BIN)/python -m pip install --upgrade pip
	$(BIN)/python -m pip install -e ".[mini,test]"
	$(BIN)/python -m espnet_wabert.bin.fetch_sources
	touch $@

mini: env  ## the embedded corpus: align, fine-tune, pack, show the table
	egs2/mini.sh

tables: mini  ## the paper's Tables 1 and 3 on it, each row over three seeds: three hours
	egs2/tables.sh

test: env  ## the tests
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest

lint: env  ## formatter and linter
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .

bench: env  ## integrate-and-fire against its peers
	$(BIN)/python -m pip install -e ".[benchmark]"
	$(BIN)/python benchmarks/cif.py

clean:  ## remove experiments, keep the environment
	rm -rf exp egs2/*/exp egs2/*/dump egs2/*/data
