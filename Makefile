# SPDX-License-Identifier: GPL-2.0-or-later
# Calque: one Makefile. `make help` lists the targets; V=1 shows the commands.

VERSION  := 0.1.0

# ---- what to build with ----
CROSS    ?=
SANITIZE ?=
WITHOUT  ?=
PREFIX   ?= /usr/local
DESTDIR  ?=
CFLAGS   ?= -O2 -g
ifeq ($(origin CC),default)
CC       := $(CROSS)gcc
endif
ifeq ($(origin AR),default)
AR       := $(CROSS)ar
endif
NM       ?= $(CROSS)nm
PKG_CONFIG ?= pkg-config

# Every variant has its own folder, so that switching between them rebuilds nothing.
empty :=
space := $(empty) $(empty)
comma := ,
VARIANT := $(subst $(space),-,$(strip $(subst /,-,$(notdir $(CC)) $(CROSS:%-=%)) \
             $(subst $(comma),-,$(SANITIZE)) $(if $(WITHOUT),no-$(subst $(space),-,$(strip $(WITHOUT))))))
B       := build/$(VARIANT)

ifneq ($(CROSS),)
# Only the target's libraries; make before 4.4 exports nothing to its own $(shell).
PKG_CONFIG := PKG_CONFIG_LIBDIR=$(or $(PKG_CONFIG_LIBDIR),/usr/lib/$(CROSS:%-=%)/pkgconfig) $(PKG_CONFIG)
ifneq ($(findstring clang,$(CC)),)
TARGET_FLAG := --target=$(CROSS:%-=%)
endif
endif

ifndef V
.SILENT:
say = printf '  %-7s %s\n' '$(1)' '$(2)';
endif
ifeq ($(origin JOBS),undefined)
JOBS := $(shell nproc 2>/dev/null || echo 1)
endif
ifeq ($(MAKELEVEL),0)
MAKEFLAGS += -j$(JOBS) --no-builtin-rules
endif

# ---- optional libraries: WITHOUT='name …' leaves one out; the code sees CONFIG_NAME as 0 or 1 ----
OPTIONAL  := capstone curses dw ffi jansson libedit mpfr png sdl2 slirp vnc zlib zstd
# Names that later parts use; accepted today so that scripts can be written once.
FUTURE    := liburing lua
PKG_capstone := capstone
PKG_dw       := libdw libelf
PKG_jansson  := jansson
PKG_mpfr     := mpfr
PKG_zlib     := zlib
PKG_png      := libpng
PKG_vnc      := libvncserver
PKG_slirp    := slirp
PKG_sdl2     := sdl2
PKG_curses   := ncursesw
PKG_zstd     := libzstd
PKG_libedit  := libedit
PKG_ffi      := libffi
unknown := $(filter-out $(OPTIONAL) $(FUTURE),$(WITHOUT))
ifneq ($(unknown),)
$(error WITHOUT=$(unknown): the names are $(OPTIONAL) $(FUTURE))
endif
ENABLED := $(filter-out $(WITHOUT),$(OPTIONAL))
ifneq ($(CROSS),)
# A cross build takes what there is for the target.
ENABLED := $(foreach o,$(ENABLED),$(if $(shell $(PKG_CONFIG) --exists $(PKG_$(o)) && echo yes),$(o)))
endif
PKGS    := $(foreach o,$(ENABLED),$(PKG_$(o)))
ifneq ($(PKGS),)
LIB_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(PKGS) 2>/dev/null)
LIB_LIBS   := $(shell $(PKG_CONFIG) --libs $(PKGS) 2>/dev/null)
endif

WARN     := -Wall -Wextra -Wshadow -Wstrict-prototypes $(if $(filter true,$(CI)),-Werror)
SAN_FLAG := $(if $(SANITIZE),-fsanitize=$(SANITIZE) -fno-omit-frame-pointer -fno-sanitize-recover=all)
ALL_CPPFLAGS := -I. -I$(B) -D_GNU_SOURCE $(LIB_CFLAGS) $(CPPFLAGS)
ALL_CFLAGS   := $(TARGET_FLAG) -std=gnu11 $(WARN) -pthread -fno-strict-aliasing $(SAN_FLAG) $(CFLAGS)
ALL_LDFLAGS  := $(TARGET_FLAG) -pthread $(SAN_FLAG) $(LDFLAGS)
ALL_LIBS     := $(LIB_LIBS) -lm $(LIBS)

# ---- sources ----
TARGET_X86 := $(filter x86_64%,$(or $(CROSS),$(shell uname -m)))
# The translator needs an emitter for the host's processor.
TRANSLATOR := $(if $(TARGET_X86),translator/*.c translator/x86_64/*.c,translator/none/*.c)
KVM := $(if $(TARGET_X86),cpu/x86/kvm/*.c,cpu/x86/kvm/none/*.c)
SRCS := $(sort $(wildcard *.c base/*.c cli/*.c vm/*.c cpu/x86/*.c $(TRANSLATOR) $(KVM) \
          devices/*.c devices/*/*.c host/*.c host/*/*.c monitor/*.c debugger/*.c machines/*.c))
OBJS := $(SRCS:%.c=$(B)/%.o)
LIBCALQUE := $(B)/libcalque.a
# main() of calque and of calque-img.
LIB_OBJS  := $(filter-out $(B)/main.o $(B)/img.o,$(OBJS))

UNIT_SRCS   := $(sort $(wildcard tests/unit/test_*.c))
DEVICE_SRCS := $(sort $(wildcard tests/devices/test_*.c))
# Whatever the tests share: linked into each of them.
TEST_COMMON := $(sort $(filter-out $(UNIT_SRCS) $(DEVICE_SRCS),$(wildcard tests/common/*.c tests/unit/*.c tests/devices/*.c)))
TESTS       := $(UNIT_SRCS:%.c=$(B)/%) $(DEVICE_SRCS:%.c=$(B)/%)
# Fuzz targets: with libFuzzer if SANITIZE has fuzzer-no-link, otherwise to replay inputs.
FUZZER      := $(findstring fuzzer,$(SANITIZE))
FUZZ_SRCS   := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ_COMMON := $(filter-out $(FUZZ_SRCS) $(if $(FUZZER),tests/fuzz/replay.c),$(sort $(wildcard tests/common/*.c tests/fuzz/*.c)))
FUZZ_TARGETS := $(FUZZ_SRCS:%.c=$(B)/%)
# The oracle runs instructions on the host's own processor; engines compares our own two.
DIFF_SRCS   := $(if $(TARGET_X86),$(sort $(wildcard tests/diff/*.c)))

.PHONY: all run bench test test-fast test-long test-cross test-without without-files tests guests deps lint lint-files format format-check install \
        clean help fuzz fuzz-targets FORCE
.DELETE_ON_ERROR:
.SECONDARY:

DIFF_MAINS  := host engines
DIFF_OBJS   := $(patsubst %.c,$(B)/%.o,$(filter-out $(DIFF_MAINS:%=tests/diff/%.c),$(DIFF_SRCS)))

all: calque calque-img $(if $(TARGET_X86),bios) $(if $(DIFF_SRCS),$(DIFF_MAINS:%=tests/diff/%))

# The documented names ./calque and tests/diff/NAME are links to what was built last.
calque: $(B)/calque FORCE
	[ "$$(readlink $@)" = $< ] || ln -sfn $< $@

$(B)/calque: $(B)/main.o $(LIBCALQUE)
	$(call say,LINK,$@) $(CC) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LIBS)

calque-img: $(B)/calque-img FORCE
	[ "$$(readlink $@)" = $< ] || ln -sfn $< $@

$(B)/calque-img: $(B)/img.o $(LIBCALQUE)
	$(call say,LINK,$@) $(CC) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LIBS)

$(LIBCALQUE): $(LIB_OBJS)
	$(call say,AR,$@) rm -f $@ && $(AR) rcs $@ $^

$(B)/%.o: %.c $(B)/flags $(B)/config.h
	@mkdir -p $(@D)
	$(call say,CC,$<) $(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

# Called with the guest's vector registers in the host's: general registers only, and nothing called
# that is built otherwise; ThreadSanitizer's functions would be, at every access.
CLASS_G := cpu/x86/tlb_fill translator/quick translator/quick_system
$(CLASS_G:%=$(B)/%.o): $(B)/%.o: %.c $(B)/flags $(B)/config.h
	@mkdir -p $(@D)
	$(call say,CC,$<) $(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -mgeneral-regs-only \
	    $(if $(findstring thread,$(SANITIZE)),-fno-sanitize=thread) -MMD -MP -c -o $@ $<
	@calls=$$($(NM) -u $@ | grep -vE ' (tlb_fill_quickly|operations|__((start|stop)___)?(asan|ubsan|sanitizer|sancov)_.*)$$'); \
	  [ -z "$$calls" ] || { rm -f $@; echo "make: $< calls what uses vector registers:" $$calls >&2; exit 1; }

# Objects depend on the flags they were compiled with.
FLAGS_LINE := $(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) $(ALL_LDFLAGS) $(ALL_LIBS) $(VERSION)
$(B)/flags: FORCE
	@mkdir -p $(@D)
	echo '$(FLAGS_LINE)' | cmp -s - $@ || echo '$(FLAGS_LINE)' > $@

upper = $(shell echo '$(1)' | tr a-z A-Z)
$(B)/config.h: $(B)/flags Makefile
	for p in $(PKGS); do $(PKG_CONFIG) --exists $$p || { \
	  echo "make: $$p is missing: 'make deps' installs it and WITHOUT=$$p does without" >&2; exit 1; }; done
	{ echo '/* Written by make. */'; echo '#define CALQUE_VERSION "$(VERSION)"'; \
	  $(foreach o,$(OPTIONAL),echo '#define CONFIG_$(call upper,$(o)) $(if $(filter $(o),$(ENABLED)),1,0)';) \
	} > $@

# ---- tests ----
TEST_COMMON_OBJS := $(TEST_COMMON:%.c=$(B)/%.o)
$(TESTS): $(B)/%: $(B)/%.o $(TEST_COMMON_OBJS) $(LIBCALQUE)
	$(call say,LINK,$@) $(CC) $(ALL_LDFLAGS) -o $@ $^ -lcmocka $(ALL_LIBS)

# It sees what is written to files, and in which order.
$(B)/tests/unit/test_image_crash: private ALL_LDFLAGS += -Wl,--wrap=pwrite,--wrap=ftruncate,--wrap=fallocate,--wrap=fdatasync

# From an archive, so that a chip's target has no more code in it than the chip needs.
FUZZ_LIB := $(B)/tests/fuzz/libfuzz.a
$(FUZZ_LIB): $(FUZZ_COMMON:%.c=$(B)/%.o)
	$(call say,AR,$@) rm -f $@ && $(AR) rcs $@ $^
$(FUZZ_TARGETS): $(B)/%: $(B)/%.o $(FUZZ_LIB) $(LIBCALQUE)
	$(call say,LINK,$@) $(CC) $(ALL_LDFLAGS) $(if $(FUZZER),-fsanitize=fuzzer) -o $@ $^ $(ALL_LIBS)
fuzz-targets: $(FUZZ_TARGETS)

$(DIFF_MAINS:%=tests/diff/%): tests/diff/%: $(B)/tests/diff/% FORCE
	[ "$$(readlink $@)" = ../../$< ] || ln -sfn ../../$< $@

$(DIFF_MAINS:%=$(B)/tests/diff/%): $(B)/%: $(B)/%.o $(DIFF_OBJS) $(LIBCALQUE)
	$(call say,LINK,$@) $(CC) $(ALL_LDFLAGS) -o $@ $^ $(ALL_LIBS)

# ---- guest programs: bare-metal images, $(B)/guest/NAME.elf ----
BUILD := $(B)
include tests/guest/guest.mk
include tests/debugger/guest/symbols.mk
include bios/bios.mk
guests: guest-tests $(DEBUG_FILES) bios $(BIOS_B)/suite.img $(BIOS_B)/suite-2.iso $(BIOS_B)/suite-4.iso

# ---- what the test scripts use: programs of the host, tests/tools/NAME.c, and guests, NAME.S ----
TOOLS := $(patsubst %.c,$(B)/%,$(wildcard tests/tools/*.c)) $(patsubst %.S,$(B)/%.elf,$(wildcard tests/tools/*.S))
$(B)/tests/tools/%: $(B)/tests/tools/%.o
	$(call say,LINK,$@) $(CC) $(ALL_LDFLAGS) -o $@ $<
$(B)/tests/tools/%.elf: tests/tools/%.S
	@mkdir -p $(@D)
	$(call say,GUEST,$<) $(GUEST_CC) -m32 -nostdlib -static -no-pie -Wl,-N,--build-id=none,-z,noexecstack \
	    -Wl,-Ttext=0x100000,--no-warn-rwx-segments -o $@ $<

# Kernels for the debugger's tests: an ELF32 that starts, an ELF64 with the same symbols for gdb.
DEBUGGER_GUESTS := $(patsubst tests/debugger/guest/%.S,$(B)/debugger/%.elf,$(wildcard tests/debugger/guest/*.S))
$(B)/debugger/%.elf: tests/debugger/guest/%.S tests/debugger/guest/guest.ld
	@mkdir -p $(@D)
	$(call say,GUEST,$<) $(GUEST_CC) -m64 -nostdlib -static -no-pie -Wl,--build-id=none,-z,noexecstack \
	    -Wl,-z,max-page-size=4096,--no-warn-rwx-segments -Wl,-T,tests/debugger/guest/guest.ld -o $@64 $<
	$(GUEST_OBJCOPY) -I elf64-x86-64 -O elf32-i386 $@64 $@

tests: all guests $(TESTS) $(TOOLS) $(B)/tests/debugger/look $(DEBUGGER_GUESTS) $(FUZZ_TARGETS)

# The recipes call make again because what `deps` installs changes what the first lines above find.
SUBMAKE = $(MAKE) --no-print-directory
test:
	tests/deps build test boot
	-tests/deps cross # before the tests: apt is for one at a time, and they fetch packages
	+$(SUBMAKE) tests
	BUILD=$(B) JOBS=$(JOBS) tests/run unit devices fuzz cli guest debugger diff boot cross
test-fast:
	tests/deps build test
	+$(SUBMAKE) tests
	BUILD=$(B) JOBS=$(JOBS) FAST=1 tests/run unit devices fuzz cli guest debugger diff
test-long:
	tests/deps build test boot
	+$(SUBMAKE) tests
	BUILD=$(B) JOBS=$(JOBS) LONG=1 tests/run unit devices fuzz cli guest debugger diff boot long

# Unit, device and guest tests of a cross build, under the target's emulator of QEMU.
CROSS_CPU = $(firstword $(subst -, ,$(CROSS)))
test-cross:
	[ -n '$(CROSS)' ] || { echo "make: test-cross: CROSS=aarch64-linux-gnu- is expected" >&2; exit 1; }
	tests/deps cross
	+$(SUBMAKE) $(B)/calque $(B)/calque-img guests $(B)/tests/tools/beep.elf $(TESTS)
	BUILD=$(B) JOBS=$(JOBS) RUNNER=qemu-$(CROSS_CPU)-static tests/run unit devices guest

# Coverage-guided, for T seconds in all; TARGET='name ...' runs some of the targets only.
T := 120
FUZZ_SANITIZE := fuzzer-no-link,address,undefined
fuzz:
	tests/deps build fuzz
	+$(SUBMAKE) CC=clang SANITIZE=$(FUZZ_SANITIZE) fuzz-targets
	T=$(T) BUILD=build/clang-$(subst $(comma),-,$(FUZZ_SANITIZE)) tests/fuzz/run $(TARGET)

deps:
	tests/deps build test boot lint

# What sees which optional libraries there are, compiled without any of them; nothing is built.
SEES_CONFIG := $(UNIT_SRCS) $(shell grep -lE 'CONFIG_[A-Z]' $(SRCS) $(FUZZ_SRCS) /dev/null)
test-without:
	+$(SUBMAKE) CI=true WITHOUT='$(OPTIONAL)' CFLAGS=-O0 without-files
without-files: $(SEES_CONFIG:%.c=$(B)/%.without)
$(B)/%.without: %.c $(B)/config.h
	$(call say,CC,$<) $(CC) $(ALL_CPPFLAGS) $(ALL_CFLAGS) -S -o /dev/null $<

# ---- bench: guest workloads of a kit beside the project, under QEMU's TCG and Calque's engines ----
BENCH_KIT   ?= ../shared/bench
BENCH_N     ?= 5
BENCH_SCALE ?= 1
bench:
	command -v python3 >/dev/null || { echo "make: bench: python3 is missing: apt-get install python3" >&2; exit 1; }
	+$(SUBMAKE) $(B)/calque
	tests/bench/run --calque $(B)/calque --out $(B)/bench --kit '$(BENCH_KIT)' --runs $(BENCH_N) --scale $(BENCH_SCALE) \
	    $(if $(BENCH_GUEST),--guest '$(BENCH_GUEST)') $(if $(BENCH_CPU),--cpu $(BENCH_CPU)) $(if $(BENCH_BY),--by $(BENCH_BY)) \
	    $(if $(BENCH_WORKLOADS),--workloads '$(BENCH_WORKLOADS)') $(if $(BENCH_ENGINES),--engines '$(BENCH_ENGINES)')

# ---- run: a stock Debian kernel to a shell in this terminal ----
run:
	tests/deps build boot
	+$(SUBMAKE) all
	kernel=$$(tests/fetch kernel) && initrd=$$(tests/mkinitrd) && \
	exec ./calque -m 512 -kernel "$$kernel" -initrd "$$initrd" -append 'console=ttyS0' \
	    -nographic -no-reboot

# ---- style ----
LINTED  := $(SRCS) $(UNIT_SRCS) $(DEVICE_SRCS) $(TEST_COMMON) $(DIFF_SRCS) $(wildcard tests/fuzz/*.c)
C_FILES := $(SRCS) $(sort $(wildcard *.h base/*.h cli/*.h vm/*.h cpu/x86/*.h translator/*.h translator/*/*.h devices/*.h \
            devices/*/*.h host/*.h host/*/*.h monitor/*.h debugger/*.h machines/*.h tests/*/*.c tests/*/*.h \
            bios/*.c bios/*/*.c bios/*/*.h tests/guest/bios/*.c tests/guest/bios/*.h))
# One stamp a file, after its object, which knows the headers: what did not change is not looked at again.
lint:
	tests/deps build test lint
	+$(SUBMAKE) lint-files
lint-files: $(LINTED:%.c=$(B)/lint/%.ok) $(B)/lint/cppcheck
$(B)/lint/%.ok: %.c $(B)/%.o .clang-tidy
	@mkdir -p $(@D)
	$(call say,TIDY,$<) clang-tidy --quiet --warnings-as-errors='*' $< -- $(ALL_CPPFLAGS) -std=gnu11 2>$@.err || \
	    { cat $@.err >&2; exit 1; }
	touch $@
$(B)/lint/cppcheck: $(LINTED:%.c=$(B)/%.o)
	@mkdir -p $(@D)/cache
	$(call say,LINT,cppcheck) cppcheck --quiet --std=c11 --language=c --enable=warning,portability \
	    --inline-suppr --error-exitcode=1 --suppress=missingInclude --suppress=missingIncludeSystem --suppress=shiftTooManyBitsSigned \
	    --cppcheck-build-dir=$(@D)/cache -j$(JOBS) -I. -I$(B) -D_GNU_SOURCE -D__x86_64__ $(SRCS)
	touch $@
format:
	clang-format -i $(C_FILES)
format-check:
	clang-format --dry-run -Werror $(C_FILES)

# ---- install ----
install: all
	install -D -m755 $(B)/calque $(DESTDIR)$(PREFIX)/bin/calque
	install -D -m755 $(B)/calque-img $(DESTDIR)$(PREFIX)/bin/calque-img
	install -D -m644 roms/bios.bin $(DESTDIR)$(PREFIX)/share/calque/bios.bin
	install -D -m644 roms/bios.map $(DESTDIR)$(PREFIX)/share/calque/bios.map
	install -D -m644 roms/vgabios.bin $(DESTDIR)$(PREFIX)/share/calque/vgabios.bin
	install -D -m644 calque.1 $(DESTDIR)$(PREFIX)/share/man/man1/calque.1
	install -D -m644 calque-img.1 $(DESTDIR)$(PREFIX)/share/man/man1/calque-img.1

clean:
	rm -rf build calque calque-img $(DIFF_MAINS:%=tests/diff/%)

help:
	printf '%s\n' \
	 'make                     build ./calque and ./calque-img' \
	 'make run                 boot a stock Debian kernel to a shell in this terminal' \
	 'make test                every bounded test; ends "N passed, N failed, N skipped"' \
	 'make test-fast           under a minute: the same without boots, and less of it (tests/README.md)' \
	 'make test-long           the same with many more cases' \
	 'make roms                build our BIOS and VGA BIOS anew and keep them in roms/' \
	 'make test-cross          unit, device and guest tests of a CROSS build under QEMU' \
	 'make test-without        compile, without optional libraries, what knows of them' \
	 'make fuzz T=120          fuzz everything for so many seconds (TARGET=name: one); findings fail' \
	 'make bench               guest workloads against QEMU and the host: BENCH_KIT=$(BENCH_KIT) BENCH_N=5 BENCH_SCALE=1' \
	 'make deps                install the Debian packages that are missing' \
	 'make lint, format-check, format' \
	 'make install DESTDIR= PREFIX=$(PREFIX)' \
	 'make clean' \
	 '' \
	 'CC=clang  CROSS=aarch64-linux-gnu-  SANITIZE=address,undefined  CFLAGS=…  V=1  JOBS=N' \
	 "WITHOUT='name …' leaves libraries out: $(OPTIONAL)"

FORCE:

-include $(OBJS:.o=.d) $(TESTS:%=%.d) $(TEST_COMMON_OBJS:.o=.d) $(DIFF_SRCS:%.c=$(B)/%.d) $(FUZZ_TARGETS:%=%.d) $(FUZZ_COMMON:%.c=$(B)/%.d)
