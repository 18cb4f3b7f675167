# Builds one module with nothing but this folder, clang and ld.lld. A module's Makefile is two lines:
#
#   NAME := foo
#   include …/sdk/helix-module.mk
#
#   make            NAME.hxm, the file that is loaded, and NAME.hxm.debug, the same with what a debugger wants
#   make check      what the kernel that the SDK is of would say to it
#   make clean
#
# and such a folder is made by   make -f …/sdk/helix-module.mk new NAME=foo CATEGORY=demo
#
# SOURCES (all *.c) and CFLAGS (-O2 -Wall -Wextra) may be set before the include.

HELIX_SDK := $(patsubst %/,%,$(dir $(abspath $(lastword $(MAKEFILE_LIST)))))
include $(HELIX_SDK)/flags.mk

CLANG   ?= clang
SOURCES ?= $(sort $(wildcard *.c))
CFLAGS  ?= -O2 -Wall -Wextra

MODULE_OBJECTS := $(SOURCES:%.c=build/%.o) build/helix_signatures.o
MODULE_CFLAGS   = $(HELIX_MODULE_TARGET) -g $(CFLAGS) -I$(HELIX_SDK)/include -ffile-prefix-map=$(CURDIR)=. \
    -ffile-prefix-map=$(HELIX_SDK)=sdk
MODULE_SCRIPTS := $(HELIX_SDK)/module.lds $(HELIX_SDK)/strip.lds

.PHONY: all check clean new
.DELETE_ON_ERROR:
.DEFAULT_GOAL := all

all: $(NAME).hxm

ifneq ($(filter-out new clean,$(or $(MAKECMDGOALS),all)),)
ifeq ($(NAME),)
$(error NAME is not set: it is the module's)
endif
endif

$(NAME).hxm: $(MODULE_OBJECTS) $(MODULE_SCRIPTS)
	$(HELIX_MODULE_LINK) -o $@.debug $(MODULE_OBJECTS)
	$(HELIX_MODULE_LINK) -T $(HELIX_SDK)/strip.lds -o $@ $(MODULE_OBJECTS)

build/%.o: %.c $(MAKEFILE_LIST)
	@mkdir -p $(@D)
	$(CLANG) $(MODULE_CFLAGS) -MMD -MP -c $< -o $@

# The types that this module and the kernel share, and the proof that these flags and headers keep them.
build/helix_signatures.o: $(HELIX_SDK)/helix_signatures.c $(MAKEFILE_LIST)
	@mkdir -p $(@D)
	$(CLANG) $(MODULE_CFLAGS) -MMD -MP -c $< -o $@

check: $(NAME).hxm
	$(HELIX_SDK)/helix-module-check $<

clean:
	rm -rf build $(NAME).hxm $(NAME).hxm.debug

new:
	@sh $(HELIX_SDK)/new-module '$(NAME)' '$(CATEGORY)'

-include $(MODULE_OBJECTS:.o=.d)
