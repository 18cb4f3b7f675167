# Helix: build, run and test. `make help` lists the targets; docs/building.md explains them.
#
#   make                 the kernel image and its initial file system, in build/x86_64/
#   make BUILD=debug     the same with assertions of the debug grade, in build/x86_64-debug/
#   make V=1 …           show every command

BUILD ?= release
V ?=
Q := $(if $(V),,@)
say = @printf '  %-8s %s\n' '$(1)' '$(2)'

MAKEFLAGS += --no-builtin-rules --no-builtin-variables
SHELL := /bin/sh
.SUFFIXES:
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

include mk/toolchain.mk
include mk/sources.mk
include mk/font.mk
include mk/kernel.mk
include mk/sdk.mk
include mk/modules.mk
include mk/user.mk
include mk/initrd.mk
include mk/iso.mk
include mk/host.mk
include mk/explore.mk
include mk/docs.mk
include mk/deps.mk
include mk/test.mk
include mk/checks.mk
include mk/bench-host.mk

.PHONY: all host clean help FORCE

all: $(OUT)/helix.elf $(OUT)/initrd.cpio $(OUT)/initrd-tests.cpio ## build the kernel image and the initial file system
host: build/host/libhelix.a ## build the core as a Linux library

clean: ## remove build/
	$(Q)rm -rf build

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z][a-z0-9-]*:.*## / { printf "  %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

FORCE:
