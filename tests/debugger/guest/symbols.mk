# SPDX-License-Identifier: GPL-2.0-or-later
# A guest program with DWARF, $(B)/debug/symbols-BITS-VERSION.elf, and as it is booted, .boot:
# version 4 without optimization, with frame pointers; version 5 optimized, without. Of the last the
# forms in which debuggers meet such files.

DEBUG_SYMBOLS := $(foreach v,32-4 32-5 64-4 64-5,$(B)/debug/symbols-$(v))
DEBUG_FILES   := $(DEBUG_SYMBOLS:%=%.elf) $(DEBUG_SYMBOLS:%=%.boot) \
                 $(addprefix $(B)/debug/,compressed.elf linked.elf module-64.ko module-32.ko)
DEBUG_FLAGS-4 := -gdwarf-4 -O0 -fno-omit-frame-pointer
DEBUG_FLAGS-5 := -gdwarf-5 -O2 -fomit-frame-pointer -fno-ipa-icf -fno-toplevel-reorder
DEBUG_FLAGS-64 := -m64 -mcmodel=small -Wl,-z,max-page-size=4096
DEBUG_FLAGS-32 := -m32 -march=i486
debug_word = $(word $(1),$(subst -, ,$(patsubst symbols-%,%,$*)))

$(B)/debug/%.elf: tests/debugger/guest/symbols.c tests/debugger/guest/symbols.mk $(GUEST_DEPS)
	@mkdir -p $(@D)
	$(call say,GUEST,$@) $(GUEST_CC) $(GUEST_CFLAGS) $(DEBUG_FLAGS-$(call debug_word,1)) $(DEBUG_FLAGS-$(call debug_word,2)) \
	    -nostdlib -static -no-pie -Wl,--no-warn-rwx-segments -Wl,--build-id=none \
	    -Wl,-T,$(GUEST_DIR)/lib/guest.ld -o $@ $(GUEST_LIB) $<
$(B)/debug/symbols-32-%.boot: $(B)/debug/symbols-32-%.elf
	cp $< $@
$(B)/debug/symbols-64-%.boot: $(B)/debug/symbols-64-%.elf
	$(GUEST_OBJCOPY) -I elf64-x86-64 -O elf32-i386 -g $< $@
$(B)/debug/compressed.elf: $(B)/debug/symbols-64-5.elf
	$(GUEST_OBJCOPY) --compress-debug-sections $< $@
$(B)/debug/linked.elf: $(B)/debug/symbols-64-5.elf
	mkdir -p $(@D)/.debug
	$(GUEST_OBJCOPY) --only-keep-debug $< $(@D)/.debug/linked.debug
	cd $(@D) && $(GUEST_OBJCOPY) --strip-debug --add-gnu-debuglink=.debug/linked.debug $(<F) $(@F)
$(B)/debug/module-64.ko: tests/debugger/guest/symbols.c tests/debugger/guest/symbols.mk $(GUEST_DEPS)
	@mkdir -p $(@D)
	$(call say,GUEST,$@) $(GUEST_CC) $(GUEST_CFLAGS) -m64 -mcmodel=kernel $(DEBUG_FLAGS-5) -c -o $@ $<
$(B)/debug/module-32.ko: tests/debugger/guest/symbols.c tests/debugger/guest/symbols.mk $(GUEST_DEPS)
	@mkdir -p $(@D)
	$(call say,GUEST,$@) $(GUEST_CC) $(GUEST_CFLAGS) -m32 $(DEBUG_FLAGS-4) -c -o $@ $<

# They take these files for a start.
$(B)/tests/fuzz/fuzz_symbols $(B)/tests/fuzz/fuzz_expr: | $(DEBUG_FILES)

# Boots Linux and looks at it: what tests/boot/test_symbols.sh and tests/long/test_dbgsym.sh use.
$(B)/tests/debugger/look: $(B)/tests/debugger/look.o $(LIBCALQUE)
	$(call say,LINK,$@) $(CC) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LIBS)
