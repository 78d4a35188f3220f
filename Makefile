# make mini: all stages on the embedded corpus. make test: the tests. make help: all targets.

VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
MINI := exp/mini
FIGURES := benchmarks/results

.PHONY: help env mini box tables test fast rehearsal faults lint docs bench clean

help:  ## show this
	@grep -E '^[a-z]+:.*##' Makefile | sed -E 's/:.*## /\t/' | expand -t 10

env: $(STAMP)  ## build the environment

$(STAMP): setup.py tools/find_python.sh
	python=$$(tools/find_python.sh) && $$python -m venv --clear $(VENV)
	$(BIN)/python -m pip install --upgrade pip
	$(BIN)/python -m pip install -e ".[mini,test]"
	$(BIN)/python -m espnet_wabert.bin.fetch_sources
	touch $@

mini: env  ## all stages on the embedded corpus: align, fine-tune, pack, show the results
	egs2/mini.sh

box: env  ## train the model in the box anew, and put it there: two to three hours, on Debian, with flite (apt)
	egs2/box.sh

tables: mini  ## the paper's Tables 1 and 3 on the embedded corpus, three seeds per row
	egs2/tables.sh

test: env  ## all tests but the rehearsal, on up to four cores
	HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n auto --maxprocesses 4 \
		--dist loadfile --no-loadscope-reorder  # the order of tests/conftest.py

fast: env  ## the tests that run no recipe and make no corpus: under two minutes
	HF_HUB_OFFLINE=1 $(BIN)/python -m pytest -m "not slow and not rehearsal"

rehearsal: env  ## the real run in miniature: each stage interrupted once, Table 3, a hub; ten minutes
	$(BIN)/python -m pytest -m rehearsal tests/rehearsal tests/recipes

faults: env  ## hostile input, kills, full disks, damaged files: thousands of tries, half an hour
	PYTHONPATH=tests HF_HUB_OFFLINE=1 OMP_NUM_THREADS=1 $(BIN)/python -m faults

lint: env  ## formatter, linter and type checker
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

docs: env  ## the documentation site, in site/
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: mini  ## measure speed, into benchmarks/results: one to two hours on an idle machine
	$(BIN)/python -m pip install -e ".[benchmark]"
	$(BIN)/python benchmarks/cif.py
	$(BIN)/python benchmarks/inference.py --repeats 3
	$(BIN)/python benchmarks/aligners.py --data $(MINI)/librispeech_wabert/dump/raw/dev_clean
	$(BIN)/python benchmarks/align.py
	$(BIN)/python benchmarks/long.py --data $(MINI)/librispeech_wabert/dump/raw/test_clean > $(FIGURES)/long.jsonl
	$(BIN)/python benchmarks/training.py
	$(BIN)/python benchmarks/training.py --paper --frozen --batch 4
	$(BIN)/python benchmarks/epochs.py $(MINI)/librispeech_wabert/exp/align $(MINI)/slue_sa/exp/sentiment_prosody
	$(BIN)/python benchmarks/preparation.py --folder exp/preparation --text_model $(MINI)/corpora/models/minilm-l6 \
		--count 10000 --count 281241 > $(FIGURES)/preparation.jsonl
	$(BIN)/python -m espnet_wabert.bin.show_results  # with the seconds of each stage of make mini

clean:  ## remove experiments, keep the environment
	rm -rf exp egs2/*/exp egs2/*/dump egs2/*/data
