# Copyright (c) 2026 The Drover developers
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# make demo        real hosts on this machine, one model over them, one answer; leaves them running
# make test        everything that CI runs
# make test-long   the same promises once more, at length
# All install what they need the first time (Debian packages as root, Python packages into .venv).

SHELL := /bin/bash
.DEFAULT_GOAL := help
.PHONY: help demo demo-down test test-long lint unit sanity galaxy site release lab lab-emulated lab-kubernetes oracle limits molecule molecule-source \
	molecule-default molecule-mixed molecule-networks molecule-compile molecule-refusals molecule-controllers molecule-heal \
	molecule-kubernetes molecule-k3s molecule-vulkan molecule-weights bench clean lab-setup

VENV := .venv
READY := $(VENV)/.ready
PYTHON := $(CURDIR)/$(VENV)/bin/python
# Playbooks, linters and tests all find drover.llama in this checkout, and their tools in .venv.
export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export ANSIBLE_CONFIG := $(CURDIR)/ansible.cfg
LAB := $(PYTHON) tests/lab/lab
# What a check needs beforehand; when several run beside each other, it is there.
SETUP := lab-setup

help: ## List what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | expand -t 15

demo: lab-setup ## Three hosts on this machine, the demo model over all of them, one answer
	@tests/demo

demo-down: $(READY) ## Remove the demo's hosts
	@$(LAB) down tests/lab/specs/demo.yml

# Each waits for its hosts now and then, so two at a time keep two processors busy. What takes longest begins first, so
# that both end together, and beside it what fails soonest.
test: lab-setup ## Everything that CI runs
	@echo "Two checks run at a time, and each prints when it has ended: the longest takes about half an hour."
	@$(MAKE) SETUP= --no-print-directory --jobs=2 --output-sync=target \
		lint molecule-source molecule-mixed unit molecule-default molecule-networks molecule-heal limits lab oracle

# The tests that hold the same promises more widely: what is marked `long`, and the scenarios that are too long for
# `make test`. tests/tier.py has the rule.
test-long: lab-setup ## What `make test` leaves out, by hand before a release
	@DROVER_TIER=long $(MAKE) SETUP= --no-print-directory --jobs=2 --output-sync=target \
		molecule-compile molecule-refusals molecule-controllers molecule-heal molecule-kubernetes molecule-k3s \
		molecule-vulkan molecule-weights unit limits oracle lab-emulated lab-kubernetes sanity galaxy site

lint: $(READY) ## Style, specifications, documentation and licence headers
	@tests/checks/lint

unit: $(READY) ## Tests of the Python parts that need neither root nor hosts
	$(PYTHON) -m pytest -q

sanity: $(READY) ## All of ansible-test's sanity tests on what is shipped; in the long tier
	@tests/checks/sanity

galaxy: $(READY) ## What Galaxy asks of an upload; in the long tier
	@tests/checks/galaxy

site: $(READY) ## The documentation site, in .cache/site; in the long tier
	@docsite/build .cache/site

release: $(READY) ## Turn changelogs/fragments into the notes of the version in galaxy.yml, and pack it into .cache/release
	@antsibull-changelog lint
	@antsibull-changelog release
	@ansible-galaxy collection build --force --output-path .cache/release

lab: $(SETUP) ## The hosts that the other tests stand on: limits, cables, power cuts, and what they leave behind
	$(PYTHON) -m pytest -q tests/lab/test_lab.py

lab-emulated: $(SETUP) ## The same of the emulated host, which molecule-mixed needs, too
	@$(LAB) setup tests/lab/specs/mixed.yml
	$(PYTHON) -m pytest -q tests/lab/test_virtual_machine.py

lab-kubernetes: $(SETUP) ## And of a lab whose hosts are a Kubernetes cluster
	@$(LAB) setup tests/lab/specs/kubernetes.yml
	$(PYTHON) -m pytest -q tests/lab/test_kubernetes.py

oracle: $(SETUP) ## The memory model and the RPC probe against the real llama.cpp
	@tests/checks/oracle

limits: $(SETUP) ## The planner's word on what fits against the kernel's
	@tests/checks/limits

molecule: molecule-source molecule-mixed molecule-default molecule-networks ## Tests of playbooks and roles on real hosts

# These use what the first of them compiles,
molecule-source: $(SETUP)
	@tests/checks/molecule source archive upgrade offline

# and these share a lab.
molecule-default: $(SETUP)
	@tests/checks/molecule default two-clusters refusals redeploy roles-alone

molecule-mixed: $(SETUP)
	@tests/checks/molecule mixed

molecule-networks: $(SETUP)
	@tests/checks/molecule networks gateway images

# These are whole in the long tier only: every kind of host compiles, every refusal is seen, both ends of ansible-core.
molecule-compile: $(SETUP)
	@tests/checks/molecule source

molecule-refusals: $(SETUP)
	@tests/checks/molecule refusals runner

molecule-controllers: $(SETUP)
	@tests/checks/molecule controllers

molecule-heal: $(SETUP)
	@tests/checks/molecule heal $(if $(filter long,$(DROVER_TIER)), standby encrypted)

# Labs of their own, whose Kubernetes takes long to compile the first time.
molecule-kubernetes: $(SETUP)
	@tests/checks/molecule kubernetes

molecule-k3s: $(SETUP)
	@tests/checks/molecule k3s k3s-site k3s-ha

# A GPU without hardware, which is slow.
molecule-vulkan: $(SETUP)
	@tests/checks/molecule vulkan

# A model of some hundred MB, whose bytes are counted on cables.
molecule-weights: $(SETUP)
	@tests/checks/molecule weights

bench: lab-setup ## Measure planning, header reading, playbook runs, upgrades, compiled builds and regret
	@tests/bench/run

clean: $(READY) ## Remove the lab's hosts, the virtual environment and every cache of this checkout
	@if [ "$$(id -u)" = 0 ] && [ "$$(uname)" = Linux ]; then $(LAB) down --all; fi
	rm -rf $(VENV) .cache .ansible .hypothesis .pytest_cache .ruff_cache

lab-setup: $(READY)
	@$(LAB) setup

# A checkout that was set up before the script asked for more is set up again.
$(READY): requirements/development.txt tests/checks/setup
	@tests/checks/setup $(VENV)
	@touch $@
