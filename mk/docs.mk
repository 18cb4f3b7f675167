# What the documentation takes from the code's own tables.

.PHONY: docs docs-check

docs: deps build/host/tables ## write the tables and pictures that docs/ takes from the code
	$(Q)tools/docs

docs-check: build/host/tables
	$(Q)tools/docs --check

build/host/tables: build/host/obj/tools/tables/tables.c.o $(call host_archives,host)
	$(call say,LD,$@)
	$(Q)$(host_COMPILE) -o $@ $< $(call host_link,host) $(HOST_LIBS)

-include build/host/obj/tools/tables/tables.c.d
