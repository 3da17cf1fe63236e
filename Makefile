# Two commands, each from a fresh clone to the end: `make demo` and `make test`.
PYTHON ?= python3
DEMO := .venv-demo
TEST := .venv
OUT := build/demo

.PHONY: demo demo-train claims demo-models test test-slow fuzz clients lint clean

$(DEMO)/ready: pyproject.toml
	$(PYTHON) -m venv $(DEMO)
	$(DEMO)/bin/pip install --quiet --upgrade pip
	$(DEMO)/bin/pip install --quiet -e '.[models]'
	touch $@

$(TEST)/ready: pyproject.toml
	$(PYTHON) -m venv $(TEST)
	$(TEST)/bin/pip install --quiet --upgrade pip
	$(TEST)/bin/pip install --quiet -e '.[models,onnx,openai,maths,serve,tensorboard,train]' --group lint --group test
	touch $@

demo: $(DEMO)/ready
	rm -rf $(OUT)
	$(DEMO)/bin/pe synth $(OUT)/world --scenes 300 --split test --seed 7 --shard-inputs 100
	$(DEMO)/bin/pe annotate $(OUT)/world $(OUT)/annotated --preset demo --phrases field:phrases --shard-inputs 100
	$(DEMO)/bin/pe verify $(OUT)/annotated
	$(DEMO)/bin/pe score-labels $(OUT)/annotated --truth $(OUT)/world --phrases 8
	$(DEMO)/bin/pe build-sft rexomni $(OUT)/sft --data $(OUT)/annotated --rows 500
	$(DEMO)/bin/pe build-rl rexomni $(OUT)/rl --data $(OUT)/annotated --rows 300
	$(DEMO)/bin/pe build-rl demo $(OUT)/questions --data $(OUT)/world --rows 200
	$(DEMO)/bin/pe eval demo-base --on $(OUT)/questions --scenes $(OUT)/world --out $(OUT)/evaluation \
		--max-new-tokens 128 --batch-size 50
	$(DEMO)/bin/pe view $(OUT)/annotated --output $(OUT)/view.html
	@echo "open $(OUT)/view.html in a browser; the shards are in $(OUT)/annotated/shards"

# GRPO from the small base that ships, beside as much computing of more SFT: rows, two trainings, tables.
demo-train: $(TEST)/ready
	$(TEST)/bin/pe run examples/demo_train.yaml --out build/demo-train

# The twins of the five recipes with three seeds, and what of the papers' claims they show; killed, it goes on.
claims: $(TEST)/ready
	$(TEST)/bin/python benchmarks/claims.py rex-omni-small simpleseg-small v-triune-small perception-r1-small vlm-r1-small

# The weights under pe/assets/demo, from nothing: some four and a half CPU hours by estimate; killed, it goes on from its last checkpoint.
TRAIN := OMP_NUM_THREADS=1 MALLOC_MMAP_THRESHOLD_=4000000000 MALLOC_TRIM_THRESHOLD_=8000000000 $(TEST)/bin/python
demo-models: $(TEST)/ready
	$(TRAIN) examples/demo_models/scenes.py build/demo-models/scenes --split test --scenes 1000
	$(TRAIN) examples/demo_models/scenes.py build/demo-models/scenes --split train --scenes 60000
	$(TRAIN) examples/demo_models/detector.py
	$(TRAIN) examples/demo_models/segmenter.py
	$(TRAIN) examples/demo_models/tower.py
	$(TRAIN) examples/demo_models/base.py

lint: $(TEST)/ready
	$(TEST)/bin/ruff check .
	$(TEST)/bin/ruff format --check .
	$(TEST)/bin/mypy

test: $(TEST)/ready lint
	OMP_NUM_THREADS=1 $(TEST)/bin/python -m pytest -n 2 -m 'not slow'

test-slow: $(TEST)/ready
	$(TEST)/bin/python -m pytest -m slow

# 100,000 mutated responses through every verifier.
fuzz: $(TEST)/ready
	$(TEST)/bin/python -m benchmarks.fuzz

# Other tools read what `pe export` wrote, each in an environment of its own.
clients: $(TEST)/ready
	$(TEST)/bin/python benchmarks/clients.py

clean:
	rm -rf $(DEMO) $(TEST) build .pytest_cache .mypy_cache .ruff_cache
