# SPDX-License-Identifier: GPL-2.0-or-later
# The BIOS and the VGA BIOS, $(B)/bios/bios.bin and vgabios.bin; `make roms` keeps them in roms/.
# gcc, whatever CC is; GUEST_CROSS as for the other guest programs.
BIOS_CC      := $(GUEST_CROSS)gcc
BIOS_LD      := $(GUEST_CROSS)ld
BIOS_OBJCOPY := $(GUEST_CROSS)objcopy
BIOS_NM      := $(GUEST_CROSS)nm
HOSTCC       ?= cc
BIOS_FLAGS   := -march=i386 -Os -g -std=gnu11 -ffreestanding -nostdinc -isystem $(shell $(BIOS_CC) -print-file-name=include) \
                -fno-pic -fno-pie -fno-stack-protector -fno-jump-tables -mregparm=3 -fomit-frame-pointer \
                -fno-asynchronous-unwind-tables -mpreferred-stack-boundary=2 -fno-strict-aliasing -fno-delete-null-pointer-checks \
                -fcf-protection=none -mno-sse -mno-mmx -msoft-float -fno-tree-loop-distribute-patterns \
                -ffunction-sections -fdata-sections --param=min-pagesize=0 -Wall -Wextra -Wshadow $(if $(filter true,$(CI)),-Werror) -Ibios/include
VGA_BLOCKS   := 72
BIOS_B       := $(B)/bios
BIOS_RM      := $(patsubst bios/%,$(BIOS_B)/%.o,$(basename $(wildcard bios/rm/*.c bios/rm/*.S))) $(BIOS_B)/rm/pcibios32.o $(BIOS_B)/rm/apm32.o
BIOS_POST    := $(BIOS_B)/post/start.o $(patsubst bios/%.c,$(BIOS_B)/%.o,$(wildcard bios/post/*.c))
BIOS_VGA     := $(patsubst bios/%,$(BIOS_B)/%.o,$(basename $(wildcard bios/vga/*.c bios/vga/*.S)))
BIOS_HEADERS := $(wildcard bios/include/*.h bios/*/*.h) bios/bios.mk

.PHONY: bios roms
bios: $(BIOS_B)/bios.bin $(BIOS_B)/vgabios.bin

$(BIOS_B)/rm/pcibios32.o: bios/rm/pcibios.c $(BIOS_HEADERS)
	@mkdir -p $(@D)
	$(call say,BIOS,$<) $(BIOS_CC) -m32 $(BIOS_FLAGS) -DPCI32 -c -o $@ $<
$(BIOS_B)/rm/apm32.o: bios/rm/apm.c $(BIOS_HEADERS)
	@mkdir -p $(@D)
	$(call say,BIOS,$<) $(BIOS_CC) -m32 $(BIOS_FLAGS) -DAPM32 -c -o $@ $<
$(BIOS_B)/rm/%.o: bios/rm/%.c $(BIOS_HEADERS)
	@mkdir -p $(@D)
	$(call say,BIOS,$<) $(BIOS_CC) -m16 $(BIOS_FLAGS) -c -o $@ $<
$(BIOS_B)/rm/%.o: bios/rm/%.S $(BIOS_HEADERS)
	@mkdir -p $(@D)
	$(call say,BIOS,$<) $(BIOS_CC) -m32 $(BIOS_FLAGS) -c -o $@ $<
$(BIOS_B)/vga/%.o: bios/vga/%.c $(BIOS_HEADERS)
	@mkdir -p $(@D)
	$(call say,BIOS,$<) $(BIOS_CC) -m16 $(BIOS_FLAGS) -c -o $@ $<
$(BIOS_B)/vga/%.o: bios/vga/%.S $(BIOS_HEADERS)
	@mkdir -p $(@D)
	$(call say,BIOS,$<) $(BIOS_CC) -m32 $(BIOS_FLAGS) -DROM_BLOCKS=$(VGA_BLOCKS) -c -o $@ $<
$(BIOS_B)/post/%.o: bios/post/%.c $(BIOS_HEADERS)
	@mkdir -p $(@D)
	$(call say,BIOS,$<) $(BIOS_CC) -m32 $(BIOS_FLAGS) -DCODE32 -c -o $@ $<
$(BIOS_B)/post/%.o: bios/post/%.S $(BIOS_HEADERS)
	@mkdir -p $(@D)
	$(call say,BIOS,$<) $(BIOS_CC) -m32 $(BIOS_FLAGS) -c -o $@ $<

BIOS_LDFLAGS := -m elf_i386 -z noexecstack --gc-sections --no-warn-rwx-segments
# POST knows the F segment's symbols at their physical addresses.
$(BIOS_B)/rm.elf: $(BIOS_RM) bios/rm/rm.ld
	$(call say,LD,$@) $(BIOS_LD) $(BIOS_LDFLAGS) -T bios/rm/rm.ld -o $@ $(BIOS_RM)
$(BIOS_B)/rm.sym: $(BIOS_B)/rm.elf
	$(BIOS_NM) $< | awk '$$2 ~ /^[A-Z]$$/ { print $$3 " = 0xf0000 + 0x" $$1 ";" }' | \
	    grep -E '^(shared|call16_block|stack32|fseg_heap|font_8x8|dpt|posted|bios32_entry|pmm_entry|pnp_entry) ' > $@
$(BIOS_B)/post.elf: $(BIOS_POST) $(BIOS_B)/rm.sym bios/post/post.ld
	$(call say,LD,$@) $(BIOS_LD) $(BIOS_LDFLAGS) -T bios/post/post.ld -o $@ $(BIOS_POST) $(BIOS_B)/rm.sym
$(BIOS_B)/vga.elf: $(BIOS_VGA) bios/vga/vga.ld
	$(call say,LD,$@) $(BIOS_LD) $(BIOS_LDFLAGS) -T bios/vga/vga.ld -o $@ $(BIOS_VGA)
$(BIOS_B)/%.bin: $(BIOS_B)/%.elf
	$(BIOS_OBJCOPY) -O binary $< $@
$(BIOS_B)/mkrom: bios/mkrom.c
	@mkdir -p $(@D)
	$(call say,HOSTCC,$@) $(HOSTCC) -O1 -Wall -Wextra -o $@ $<
$(BIOS_B)/bios.bin: $(BIOS_B)/rm.bin $(BIOS_B)/post.bin $(BIOS_B)/mkrom
	$(call say,ROM,$@) $(BIOS_B)/mkrom $@ 0x20000 $(BIOS_B)/post.bin@0 $(BIOS_B)/rm.bin@0x10000
$(BIOS_B)/vgabios.bin: $(BIOS_B)/vga.bin $(BIOS_B)/mkrom
	$(call say,ROM,$@) $(BIOS_B)/mkrom $@ $$(($(VGA_BLOCKS) * 512)) $(BIOS_B)/vga.bin@0 sum8

# Addresses of functions, for debuggers: physical, sorted.
$(BIOS_B)/bios.map: $(BIOS_B)/rm.elf $(BIOS_B)/post.elf $(BIOS_B)/vga.elf
	{ $(BIOS_NM) $(BIOS_B)/rm.elf | sed 's/^0000/000f/'; $(BIOS_NM) $(BIOS_B)/post.elf; \
	  $(BIOS_NM) $(BIOS_B)/vga.elf | sed 's/^0000/000c/'; } | grep -v ' [aA] ' | sort -u > $@

# What hosts without an x86 compiler use; checked in, with sums.
roms: bios $(BIOS_B)/bios.map
	@mkdir -p roms
	cp $(BIOS_B)/bios.bin $(BIOS_B)/vgabios.bin $(BIOS_B)/bios.map roms/
	cd roms && sha256sum bios.bin vgabios.bin > SHA256SUMS

# ---- the BIOS test suite: tests/guest/bios, a bootable image of 1.44 MB ----
BIOS_TEST_OBJS := $(patsubst tests/guest/bios/%,$(BIOS_B)/test/%.o,$(basename $(wildcard tests/guest/bios/*.c)) tests/guest/bios/boot tests/guest/bios/hooks)
$(BIOS_B)/test/%.o: tests/guest/bios/%.c tests/guest/bios/suite.h bios/bios.mk
	@mkdir -p $(@D)
	$(call say,BIOS,$<) $(BIOS_CC) -m16 $(filter-out -ffunction-sections -fdata-sections,$(BIOS_FLAGS)) -c -o $@ $<
$(BIOS_B)/test/%.o: tests/guest/bios/%.S bios/bios.mk
	@mkdir -p $(@D)
	$(call say,BIOS,$<) $(BIOS_CC) -m32 -DSECTORS=100 -c -o $@ $<
$(BIOS_B)/suite.elf: $(BIOS_TEST_OBJS) tests/guest/bios/suite.ld
	$(call say,LD,$@) $(BIOS_LD) -m elf_i386 -z noexecstack --no-warn-rwx-segments --no-check-sections -T tests/guest/bios/suite.ld -o $@ $(BIOS_TEST_OBJS)
$(BIOS_B)/suite.img: $(BIOS_B)/suite.bin $(BIOS_B)/mkrom
	$(call say,ROM,$@) $(BIOS_B)/mkrom $@ 1474560 $<@0
# The same as the floppy, and as the hard disk, of a bootable CD.
$(BIOS_B)/test/eltorito-%.o: tests/guest/bios/eltorito.S bios/bios.mk
	@mkdir -p $(@D)
	$(call say,BIOS,$<) $(BIOS_CC) -m32 -DMEDIA=$* -c -o $@ $<
$(BIOS_B)/eltorito-%.bin: $(BIOS_B)/test/eltorito-%.o
	$(BIOS_OBJCOPY) -O binary -j .text $< $@
$(BIOS_B)/suite-%.iso: $(BIOS_B)/suite.bin $(BIOS_B)/eltorito-%.bin $(BIOS_B)/mkrom
	$(call say,ROM,$@) $(BIOS_B)/mkrom $@ 1515520 $(BIOS_B)/eltorito-$*.bin@32768 $<@40960
.PRECIOUS: $(BIOS_B)/test/eltorito-%.o $(BIOS_B)/eltorito-%.bin
