# The console's font: C source made of a font of Debian's. Nothing of it is in this tree.

CONSOLE_FONT ?= /usr/share/consolefonts/Uni2-Terminus16.psf.gz

$(FONT_SOURCE): tools/font $(wildcard $(CONSOLE_FONT))
	$(call say,FONT,$(CONSOLE_FONT))
	$(Q)mkdir -p $(@D)
	$(Q)tools/font $(CONSOLE_FONT) > $@
