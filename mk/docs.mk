# What the documentation takes from the code's own tables. The variant is one that the tests build anyway.

.PHONY: docs docs-check docs-pictures

docs: deps build/host-gcc/tables ## write the tables and pictures that docs/ takes from the code
	$(Q)tools/docs

docs-pictures: ## copy the pictures that tests/scenario/test_screen.py took to docs/
	$(Q)cp build/results/screen.png build/results/screen-panic.png docs/

docs-check: build/host-gcc/tables
	$(Q)tools/docs --check

build/host-gcc/tables: build/host-gcc/obj/tools/tables/tables.c.o $(call host_archives,host-gcc)
	$(call say,LD,$@)
	$(Q)$(host-gcc_COMPILE) -o $@ $< $(call host_link,host-gcc) $(HOST_LIBS)

-include build/host-gcc/obj/tools/tables/tables.c.d
