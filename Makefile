# Two commands, each from a fresh clone to the end: `make demo` and `make test`.
PYTHON ?= python3
DEMO := .venv-demo
TEST := .venv
OUT := build/demo

.PHONY: demo test test-slow lint clean

$(DEMO)/ready: pyproject.toml
	$(PYTHON) -m venv $(DEMO)
	$(DEMO)/bin/pip install --quiet --upgrade pip
	$(DEMO)/bin/pip install --quiet -e .
	touch $@

$(TEST)/ready: pyproject.toml
	$(PYTHON) -m venv $(TEST)
	$(TEST)/bin/pip install --quiet --upgrade pip
	$(TEST)/bin/pip install --quiet -e '.[models,onnx,openai]' --group lint --group test
	touch $@

demo: $(DEMO)/ready
	rm -rf $(OUT)
	$(DEMO)/bin/python examples/draw_pictures.py $(OUT)/pictures
	$(DEMO)/bin/pe annotate $(OUT)/pictures $(OUT)/annotated --detector dataset \
		--annotations $(OUT)/pictures/instances.json --segmenter grabcut --shard-inputs 16
	$(DEMO)/bin/pe verify $(OUT)/annotated
	$(DEMO)/bin/pe view $(OUT)/annotated --output $(OUT)/view.html
	@echo "open $(OUT)/view.html in a browser; the shards are in $(OUT)/annotated/shards"

lint: $(TEST)/ready
	$(TEST)/bin/ruff check .
	$(TEST)/bin/ruff format --check .
	$(TEST)/bin/mypy

test: $(TEST)/ready lint
	$(TEST)/bin/python -m pytest -m 'not slow'

test-slow: $(TEST)/ready
	$(TEST)/bin/python -m pytest -m slow

clean:
	rm -rf $(DEMO) $(TEST) build .pytest_cache .mypy_cache .ruff_cache
