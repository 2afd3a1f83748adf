# Two commands: `make demo` and `make test`. Everything else is `pij` (see README.md).
# Ctrl-C is passed on to the program, which takes its containers down before it ends.

PIJ := .venv/bin/pij
# The second arm of the audit sensor needs Sigma rules, which only the user can give: make demo SIGMA=FOLDER
SIGMA ?= $(firstword $(wildcard ../shared/data/sigma))
CONTENT := $(if $(SIGMA),--content sigma_rules=$(SIGMA))
FRESH ?=

.PHONY: demo test check venv clean

demo: .venv/.made
	@$(PIJ) run demo $(CONTENT) $(if $(FRESH),--fresh)
	@$(PIJ) publish demo

test: check
	@.venv/bin/pytest

check: .venv/.made
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@.venv/bin/mypy
	@.venv/bin/lint-imports
	@$(PIJ) lint

venv: .venv/.made

.venv/.made: uv.lock pyproject.toml .ci/make-venv
	@.ci/make-venv

clean: .venv/.made
	@$(PIJ) sweep
	@rm -rf .venv .state build
