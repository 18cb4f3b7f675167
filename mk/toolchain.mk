# The tools, and the flags that every part of the tree shares.

CLANG   ?= clang
GCC     ?= gcc
LD      := ld.lld
NM      := llvm-nm
OBJCOPY := llvm-objcopy
AR      := llvm-ar
MUSLGCC := musl-gcc
PYTEST  := pytest-3
# The one that Debian's packages are for.
PYTHON  := /usr/bin/python3

ifeq ($(filter $(BUILD),release debug),)
$(error BUILD is release or debug, not "$(BUILD)")
endif

WARNINGS := -Wall -Wextra -Werror -Wconversion -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wvla

# Paths in debug information and __FILE__ start at the tree, so that where it was built leaves no trace.
SAME_ANYWHERE := -ffile-prefix-map=$(CURDIR)=.

DEPENDENCIES = -MMD -MP -MF $(basename $@).d

# $(call keep_text,TEXT): recipe that rewrites $@ only when the text differs from what it holds.
# Whatever was built with those flags, or from that list, depends on the file.
define keep_text
@mkdir -p $(@D)
@printf '%s\n' '$(1)' | cmp -s - $@ || printf '%s\n' '$(1)' > $@
endef

# Flags as they are kept: without the tree's own place, so that a copied tree is not built again.
not_here = $(subst $(CURDIR),.,$(1))
