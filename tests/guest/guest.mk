# SPDX-License-Identifier: GPL-2.0-or-later
# Bare-metal test programs: `make guest-tests` builds $(BUILD)/guest/NAME.elf, tests/guest/run runs
# them. They are 32- and 64-bit code for an x86 processor, built freestanding; on an amd64 host
# gcc and binutils are all that is needed (-m32 too: no library is linked). On another host give the compiler's prefix: GUEST_CROSS=x86_64-linux-gnu-.
#
# Programs in GUEST_32 become NAME-32.elf, those in GUEST_64 NAME-64.elf. A 64-bit image enters in
# 32-bit mode like any multiboot image: its ELF container is 32-bit (objcopy), its code is not.

BUILD        ?= build
GUEST_CROSS  ?=
GUEST_DIR    := $(patsubst %/,%,$(dir $(lastword $(MAKEFILE_LIST))))
GUEST_CC     := $(GUEST_CROSS)gcc
GUEST_OBJCOPY := $(GUEST_CROSS)objcopy
GUEST_CFLAGS := -std=gnu11 -O1 -Wall -Wextra -ffreestanding -fno-pic -fno-pie -fno-stack-protector \
                -fno-asynchronous-unwind-tables -fcf-protection=none -fno-strict-aliasing \
                -fno-reorder-functions -mno-red-zone -mgeneral-regs-only -I$(GUEST_DIR)

# One a line, so that additions do not meet.
GUEST_BOTH := \
    smm \
    exceptions \
    control \
    paging \
    walks \
    breakpoints \
    events \
    shadows \
    ioapic \
    routes \
    tsc \
    apic \
    x2apic \
    smc \
    codepages \
    ring3 \
    irq \
    strings \
    timers \
    hpet \
    fpu \
    approx \
    ferr \
    smp \
    litmus \
    ipis \
    shootdown \
    xsave \
    faults \
    idiv \
    ioperm \
    supervisor \
    implicit \
    msrs \
    joins \
    loops \
    returns \
    remap \
    syscalls \
    fplive \
    kvmclock \
    vga
GUEST_32 := $(GUEST_BOTH) segments smptasks tasks taskdebug taskfault taskmodes modes v86
GUEST_64 := $(GUEST_BOTH) cpuid pcids
GUEST_IMAGES := $(GUEST_32:%=$(BUILD)/guest/%-32.elf) $(GUEST_64:%=$(BUILD)/guest/%-64.elf)
GUEST_LIB := $(GUEST_DIR)/lib/start.S $(GUEST_DIR)/lib/rt.c
GUEST_DEPS := $(GUEST_DIR)/guest.mk $(GUEST_LIB) $(GUEST_DIR)/lib/rt.h $(GUEST_DIR)/lib/task.h $(GUEST_DIR)/lib/ap.h $(GUEST_DIR)/lib/guest.ld

.PHONY: guest-tests
guest-tests: $(GUEST_IMAGES)

$(BUILD)/guest/%-32.elf: $(GUEST_DIR)/%.c $(GUEST_DEPS)
	@mkdir -p $(@D)
	$(GUEST_CC) -m32 -march=i486 $(GUEST_CFLAGS) -nostdlib -static -no-pie -Wl,--build-id=none \
	    -Wl,--no-warn-rwx-segments -Wl,-T,$(GUEST_DIR)/lib/guest.ld -o $@ $(GUEST_LIB) $<

$(BUILD)/guest/%-64.elf: $(GUEST_DIR)/%.c $(GUEST_DEPS)
	@mkdir -p $(@D)
	$(GUEST_CC) -m64 -mcmodel=small $(GUEST_CFLAGS) -nostdlib -static -no-pie -Wl,--build-id=none \
	    -Wl,-z,max-page-size=4096 -Wl,--no-warn-rwx-segments -Wl,-T,$(GUEST_DIR)/lib/guest.ld \
	    -o $@.64 $(GUEST_LIB) $<
	$(GUEST_OBJCOPY) -I elf64-x86-64 -O elf32-i386 $@.64 $@
	@rm -f $@.64
