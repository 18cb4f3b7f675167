# Which folders make up what. The folder is the layer; see docs/building.md.

PORTABLE_FOLDERS := base kern core/*
ABOVE_FOLDERS    := subsys/* abi/*
IMAGE_FOLDERS    := profiles tests/self tests/bench

sources_in = $(sort $(wildcard $(addsuffix /*.c,$(1)) $(addsuffix /*.S,$(1))))

# The console's font is made of Debian's (mk/font.mk).
FONT_SOURCE := build/font/console_font.c

KERNEL_SOURCES := $(FONT_SOURCE) $(call sources_in,$(PORTABLE_FOLDERS) $(ABOVE_FOLDERS) $(IMAGE_FOLDERS) ports/x86_64)

# Readers of loader tables, firmware tables and files, and the relocations of module files, are pure
# functions of bytes: in the host library too.
HOST_READERS := $(wildcard ports/x86_64/pvh.c ports/x86_64/multiboot2.c ports/x86_64/acpi_*.c ports/x86_64/relocate.c ports/x86_64/code.c abi/linux/elf_program.c)
HOST_LIBRARY_SOURCES := $(FONT_SOURCE) $(call sources_in,$(PORTABLE_FOLDERS) ports/hosted) $(HOST_READERS)
# Built-in tests of the PC's devices are the x86_64 image's alone.
HOST_ABOVE_SOURCES   := $(filter-out $(HOST_READERS) tests/self/x86_64_%,$(call sources_in,$(ABOVE_FOLDERS) $(IMAGE_FOLDERS)))
HOST_PROGRAM_SOURCES := $(call sources_in,ports/hosted/program)
