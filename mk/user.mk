# User programs: user/NAME.c becomes build/x86_64/user/NAME, a static Linux program.

USER_CFLAGS := -std=gnu17 -static -O2 -Wall -Wextra -Werror $(SAME_ANYWHERE) -Wl,--build-id=none \
    -Iinclude

USER_PROGRAMS := $(patsubst user/%.c,$(OUT)/user/%,$(sort $(wildcard user/*.c)))

$(OUT)/user.flags: FORCE
	$(call keep_text,$(call not_here,$(USER_CFLAGS)))

$(OUT)/user/%: user/%.c $(OUT)/user.flags
	$(call say,USER,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(MUSLGCC) $(USER_CFLAGS) -MMD -MP -MF $@.d $< -o $@

-include $(USER_PROGRAMS:=.d)
