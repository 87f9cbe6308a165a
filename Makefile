# `make` lists what there is: a target's help stands behind it.
.DEFAULT_GOAL := help
.PHONY: help bench compare gate test check format train readme ci

help: ## this list
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sort | awk 'BEGIN {FS = ":.*## "} {printf "%-10s %s\n", $$1, $$2}'

bench: ## the main job: every benchmark, stored under reports/history
	uv run pytest benchmarks

compare: ## the main job, compared with the last stored run of this machine
	uv run pytest benchmarks --benchmark-compare

gate: ## may this checkout be merged into main, by its latency and structure
	uv run pricebench gate --base "$$(git merge-base main HEAD)"

test: ## the tests
	uv run pytest

check: ## lint, types, import contracts
	uv run ruff check .
	uv run ruff format --check .
	uv run mypy
	uv run lint-imports

format: ## mend style
	uv run ruff check --fix .
	uv run ruff format .

train: ## train the model on the embedded default data
	uv run pricebench train

readme: ## the README's table from the stored run that it names
	uv run python -m evidence.readme

ci: ## everything CI does
	.ci/run
