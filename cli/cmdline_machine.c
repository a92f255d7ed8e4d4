/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "cli/cmdline_machine.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/error.h"
#include "base/options.h"
#include "base/size.h"
#include "base/suggest.h"
#include "cli/cmdline.h"
#include "cli/cmdline_system.h"
#include "cpu/x86/kvm/kvm.h"

struct named_value {
    const char *name, *help;
    bool later; /* known, not there yet */
};

static const struct named_value machines[] = {
    {"pc", "i440FX and PIIX: the standard PC; pc-i440fx-VERSION is the same board", false},
    {"none", "no board, no processor: answers questions of a -qmp client", false},
    {"q35", "ICH9 with PCI Express", true},
    {"microvm", "virtio on MMIO", true},
    {"isapc", "ISA only", true},
    {0},
};
static const struct named_value adapters[] = {
    {"std", "VGA with the Bochs display interface; -device VGA,help tells more", false},
    {"none", "no display adapter", false},
    {"cirrus", "Cirrus Logic GD5446", true},
    {"virtio", "virtio-gpu", true},
    {"qxl", "SPICE", true},
    {"vmware", "VMware SVGA II", true},
    {0},
};
static const struct named_value engines[] = {
    {"interp", "interpreter of decoded instructions", false},
    {"jit",
     "translator to host code, where kvm does not work; jit,lockstep=on compares with interp; see "
     "calque(1)",
     false},
    {"tcg", "another name of jit", false},
    {"kvm",
     "the host processor's virtualization extensions (Linux KVM), the default where they work",
     false},
    {0},
};

static void print_values(const char *title, const struct named_value *v)
{
    puts(title);
    for (; v->name; v++)
        if (!v->later)
            printf("  %-15s %s\n", v->name, v->help);
}

void machine_print_help(void)
{
    print_values("Machines:", machines);
}

void accel_print_help(void)
{
    print_values("Engines:", engines);
}

void vga_print_help(void)
{
    print_values("Display adapters:", adapters);
}

/* True if the name is there today. */
static bool check_value(const struct named_value *table, const char *option, const char *name,
                        struct error *err)
{
    struct suggestion near;
    const char *there = NULL;

    suggest_begin(&near, name);
    for (const struct named_value *v = table; v->name; v++) {
        if (!strcmp(v->name, name) && !v->later)
            return true;
        if (!strcmp(v->name, name))
            return error_set(err, "%s %s: not in this version yet; try %s %s", option, name, option,
                             table->name);
        if (!v->later)
            suggest_offer(&near, v->name);
        there = near.best;
    }
    return error_set(err, "%s %s: there is none of this name; did you mean %s?", option, name,
                     there);
}

/* Memory is the host's only when the guest touches it: up to here a guest may have more than the
 * host, as long as it uses less. */
#define LAZY_RAM (64ull << 30)

bool parse_memory(struct settings *s, const char *value, struct error *err)
{
    uint64_t host = (uint64_t)sysconf(_SC_PHYS_PAGES) * (uint64_t)sysconf(_SC_PAGESIZE);
    char text[32];

    if (!strncmp(value, "size=", 5))
        value += 5;
    if (!size_parse(value, 1 << 20, &s->ram_size, err)) {
        error_prefix(err, "-m");
        return false;
    }
    if (s->ram_size > host && s->ram_size > LAZY_RAM)
        return error_set(err, "-m %s: more than this host's %s; try -m %s", value,
                         size_format(host, text), host > (8ull << 30) ? "4G" : "512M");
    if (s->ram_size < 1 << 20)
        return error_set(err, "-m %s: at least 1M is expected", value);
    return true;
}

static uint64_t at_least_1(uint64_t n)
{
    return n ? n : 1;
}

/* What was not said follows from what was; cores come before sockets and threads. */
static void complete_smp(struct smp_setting *t)
{
    uint64_t all = t->maxcpus ? t->maxcpus : t->cpus;

    if (all && !t->cores)
        t->cores = all / (at_least_1(t->sockets) * at_least_1(t->threads));
    else if (all && !t->sockets)
        t->sockets = all / (t->cores * at_least_1(t->threads));
    else if (all && !t->threads)
        t->threads = all / (t->sockets * t->cores);
    t->sockets = at_least_1(t->sockets);
    t->cores = at_least_1(t->cores);
    t->threads = at_least_1(t->threads);
    if (!t->maxcpus)
        t->maxcpus = all ? all : t->sockets * t->cores * t->threads;
    if (!t->cpus)
        t->cpus = t->maxcpus;
}

static bool check_smp(const struct smp_setting *t, struct error *err)
{
    if (t->sockets * t->cores * t->threads != t->maxcpus)
        return error_set(
            err, "%u sockets of %u cores of %u threads are not %u CPUs; say fewer of them",
            (unsigned)t->sockets, (unsigned)t->cores, (unsigned)t->threads, (unsigned)t->maxcpus);
    if (t->maxcpus > MAX_CPUS)
        return error_set(err, "%u CPUs: at most %d are expected", (unsigned)t->maxcpus, MAX_CPUS);
    return t->cpus <= t->maxcpus || error_set(err, "cpus=%u is more than maxcpus=%u",
                                              (unsigned)t->cpus, (unsigned)t->maxcpus);
}

bool parse_smp(struct smp_setting *t, const char *value, struct error *err)
{
    static const char *const keys[] = {"cpus",  "maxcpus", "sockets", "dies",
                                       "cores", "threads", NULL};
    struct option_list l;
    uint64_t dies = 1;
    bool ok;

    *t = (struct smp_setting){0};
    if (!option_list_parse(&l, value, "cpus", err)) {
        error_prefix(err, "-smp");
        return false;
    }
    ok = option_list_check(&l, keys, err) &&
         option_get_number(&l, "cpus", 1, MAX_CPUS, &t->cpus, err) &&
         option_get_number(&l, "maxcpus", 1, MAX_CPUS, &t->maxcpus, err) &&
         option_get_number(&l, "sockets", 1, MAX_CPUS, &t->sockets, err) &&
         option_get_number(&l, "dies", 1, 1, &dies, err) &&
         option_get_number(&l, "cores", 1, MAX_CPUS, &t->cores, err) &&
         option_get_number(&l, "threads", 1, MAX_CPUS, &t->threads, err);
    if (ok) {
        complete_smp(t);
        ok = check_smp(t, err);
    }
    if (!ok)
        error_prefix(err, "-smp %s", value);
    option_list_free(&l);
    return ok;
}

/* "jit,cache-size=64,threshold=16,links=off" */
bool parse_accel(struct settings *s, const char *value, struct error *err)
{
    static const char *const keys[] = {"engine",    "cache-size", "threshold", "links",
                                       "jumpcache", "calls",      "join",      "lockstep",
                                       "perfmap",   "thread",     "tier",      NULL};
    struct option_list l;
    bool links = true, jump_cache = true, calls = true, join = true, lockstep = false,
         perf_map = false;
    uint64_t cache_size = 0, threshold = 0, tier = 2;

    if (!option_list_parse(&l, value, "engine", err)) {
        error_prefix(err, "-accel");
        return false;
    }
    bool ok = option_list_check(&l, keys, err) && option_get_bool(&l, "links", &links, err) &&
              option_get_bool(&l, "jumpcache", &jump_cache, err) &&
              option_get_bool(&l, "calls", &calls, err) &&
              option_get_bool(&l, "join", &join, err) &&
              option_get_bool(&l, "lockstep", &lockstep, err) &&
              option_get_bool(&l, "perfmap", &perf_map, err) &&
              option_get_number(&l, "cache-size", TRANSLATOR_CACHE_MIN >> 20,
                                TRANSLATOR_CACHE_MAX >> 20, &cache_size, err) &&
              option_get_number(&l, "tier", 0, 1, &tier, err) &&
              option_get_number(&l, "threshold", 1, 1000000, &threshold, err);
    if (tier < 2 && threshold)
        ok = error_set(err, "tier= and threshold= say the same: one of them");
    else if (tier < 2) /* interpreted always, or translated from the first time on */
        threshold = tier ? 1 : UINT32_MAX;
    if (!ok)
        error_prefix(err, "-accel");
    const char *engine = option_get(&l, "engine"), *thread = option_get(&l, "thread");
    engine = engine ? engine : "";
    ok = ok && check_value(engines, "-accel", engine, err) &&
         (!thread || !strcmp(thread, "single") || !strcmp(thread, "multi") ||
          error_set(err, "-accel: thread=%s: single or multi is expected", thread));
    s->cpus_in_turns = thread && !strcmp(thread, "single");
    s->cpu_threads = thread && !strcmp(thread, "multi");
    s->engine_given = true;
    s->jit = ok && (!strcmp(engine, "jit") || !strcmp(engine, "tcg"));
    s->kvm = ok && !strcmp(engine, "kvm");
    if (s->kvm && lockstep)
        ok = error_set(err, "-accel kvm,lockstep=on: that is jit's; KVM cannot be compared so");
    s->translator = (struct translator_config){.cache_size = cache_size << 20,
                                               .threshold = (unsigned)threshold,
                                               .no_links = !links,
                                               .no_jump_cache = !jump_cache,
                                               .no_calls = !calls,
                                               .no_join = !join,
                                               .lockstep = lockstep,
                                               .perf_map = perf_map};
    option_list_free(&l);
    return ok;
}

/* "kvm:tcg": the first that is there. */
static bool parse_machine_accel(struct settings *s, const char *list, struct error *err)
{
    bool ok = false;

    do {
        size_t len = strcspn(list, ":");
        char name[32];

        snprintf(name, sizeof(name), "%.*s", (int)len, list);
        list += len + (list[len] == ':');
        ok = parse_accel(s, name, err) && (!s->kvm || !*list || kvm_probe(err));
    } while (!ok && *list);
    if (ok && err)
        err->text[0] = '\0';
    return ok;
}

/* The board's name; a version in it makes no difference. */
static bool parse_machine_type(struct settings *s, const char *type, struct error *err)
{
    s->machine_none = !strcmp(type, "none");
    return !strncmp(type, "pc-i440fx-", 10) || check_value(machines, "-machine", type, err);
}

/* What there is none of may be declined. */
static bool must_be_off(const struct option_list *l, const char *key, struct error *err)
{
    bool on = false;

    return option_get_bool(l, key, &on, err) &&
           (!on || error_set(err, "%s=on: not in this version; off is expected", key));
}

static bool parse_irqchip(struct settings *s, const char *where, struct error *err)
{
    if (!strcmp(where, "off"))
        s->irqchip = KVM_APICS_OFF;
    else if (!strcmp(where, "split"))
        s->irqchip = KVM_APICS_SPLIT;
    else
        return error_set(err,
                         "kernel-irqchip=%s: split (local APICs in KVM) or off (none) is "
                         "expected; PIC, IOAPIC and PIT are never KVM's",
                         where);
    return true;
}

bool parse_machine(struct settings *s, const char *value, struct error *err)
{
    struct option_list l;
    bool ok;
    static const char *const keys[] = {
        "type",   "accel",          "hpet",           "usb", "memory-backend", "dump-guest-core",
        "vmport", "pcspk-audiodev", "kernel-irqchip", NULL};

    if (!option_list_parse(&l, value, "type", err)) {
        error_prefix(err, "-machine");
        return false;
    }
    const char *type = option_get(&l, "type"), *accel = option_get(&l, "accel");
    bool hpet = !s->no_hpet, vmport = !s->no_vmport;
    const char *backend = option_get(&l, "memory-backend");
    const char *speaker = option_get(&l, "pcspk-audiodev");
    const char *irqchip = option_get(&l, "kernel-irqchip");
    ok = option_list_check(&l, keys, err) && option_get_bool(&l, "hpet", &hpet, err) &&
         option_get_bool(&l, "dump-guest-core", &s->dump_guest_core, err) &&
         must_be_off(&l, "usb", err) && option_get_bool(&l, "vmport", &vmport, err) &&
         (!irqchip || parse_irqchip(s, irqchip, err));
    s->no_hpet = !hpet;
    s->no_vmport = !vmport;
    if (!ok)
        error_prefix(err, "-machine");
    ok = ok && (!type || parse_machine_type(s, type, err)) &&
         (!accel || parse_machine_accel(s, accel, err)) &&
         (!backend || (s->memory_backend = settings_keep(s, strdup(backend), err))) &&
         (!speaker || (s->pcspk_audiodev = settings_keep(s, strdup(speaker), err)));
    option_list_free(&l);
    return ok;
}

bool parse_vga(struct settings *s, const char *value, struct error *err)
{
    if (!check_value(adapters, "-vga", value, err))
        return false;
    s->vga = strcmp(value, "none") ? VGA_STD : VGA_NONE;
    return true;
}

bool parse_icount(struct settings *s, const char *value, struct error *err)
{
    static const char *const keys[] = {"shift", "sleep", NULL};
    struct option_list l;
    bool ok, sleep = false;

    if (!option_list_parse(&l, value, "shift", err)) {
        error_prefix(err, "-icount");
        return false;
    }
    const char *shift = option_get(&l, "shift");
    s->icount = true;
    s->icount_auto = shift && !strcmp(shift, "auto");
    s->icount_shift = 3;
    ok = option_list_check(&l, keys, err) &&
         (s->icount_auto || option_get_number(&l, "shift", 0, 10, &s->icount_shift, err)) &&
         option_get_bool(&l, "sleep", &sleep, err);
    if (option_get(&l, "sleep"))
        s->icount_sleep = sleep ? SLEEP_ON : SLEEP_OFF;
    if (!ok)
        error_prefix(err, "-icount");
    option_list_free(&l);
    return ok;
}
