/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The target description (gdb manual, appendix G: the features org.gnu.gdb.i386.*, and our own). */
#include "debugger/gdb_target.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/bits.h"
#include "base/error.h"
#include "cpu/x86/registers.h"
#include "debugger/debugger.h"

/* How a register is shown, and where it is listed: `info registers GROUP`. Types have the same size
 * in all of gdb's architectures, hence no pointers. */
struct row {
    const char *name; /* NULL: a line of XML in `type` */
    const char *type, *group;
    uint8_t size;
    const char *in; /* in registers.h, if it has another name there; "": nowhere */
};

#define XML(text)                                                                                  \
    {                                                                                              \
        .type = text                                                                               \
    }
#define R64(name)                                                                                  \
    {                                                                                              \
        name, "int64", NULL, 8, NULL                                                               \
    }
#define SEGMENT(name)                                                                              \
    {                                                                                              \
        name, "int32", NULL, 4, NULL                                                               \
    }
#define FPU(name)                                                                                  \
    {                                                                                              \
        name, "int", "float", 4, NULL                                                              \
    }
#define PART(name, in)                                                                             \
    {                                                                                              \
        name, "uint32", "parts", 4, in                                                             \
    }
#define SYS(name, size)                                                                            \
    {                                                                                              \
        name, "uint" #size, "system", (size) / 8, NULL                                             \
    }
#define BITS(name, t)                                                                              \
    {                                                                                              \
        name, t, "system", 4, NULL                                                                 \
    } /* gdb sets flags of 4 bytes only */

static const struct row rows[] = {
    XML("<feature name=\"org.gnu.gdb.i386.core\">"),
    XML("<flags id=\"i386_eflags\" size=\"4\">"
        "<field name=\"CF\" start=\"0\" end=\"0\"/><field name=\"\" start=\"1\" end=\"1\"/>"
        "<field name=\"PF\" start=\"2\" end=\"2\"/><field name=\"AF\" start=\"4\" end=\"4\"/>"
        "<field name=\"ZF\" start=\"6\" end=\"6\"/><field name=\"SF\" start=\"7\" end=\"7\"/>"
        "<field name=\"TF\" start=\"8\" end=\"8\"/><field name=\"IF\" start=\"9\" end=\"9\"/>"
        "<field name=\"DF\" start=\"10\" end=\"10\"/><field name=\"OF\" start=\"11\" end=\"11\"/>"
        "<field name=\"IOPL\" start=\"12\" end=\"13\"/><field name=\"NT\" start=\"14\" end=\"14\"/>"
        "<field name=\"RF\" start=\"16\" end=\"16\"/><field name=\"VM\" start=\"17\" end=\"17\"/>"
        "<field name=\"AC\" start=\"18\" end=\"18\"/><field name=\"VIF\" start=\"19\" end=\"19\"/>"
        "<field name=\"VIP\" start=\"20\" end=\"20\"/><field name=\"ID\" start=\"21\" end=\"21\"/>"
        "</flags>"),
    R64("rax"),
    R64("rbx"),
    R64("rcx"),
    R64("rdx"),
    R64("rsi"),
    R64("rdi"),
    {"rbp", "uint64", NULL, 8, NULL},
    {"rsp", "uint64", NULL, 8, NULL},
    R64("r8"),
    R64("r9"),
    R64("r10"),
    R64("r11"),
    R64("r12"),
    R64("r13"),
    R64("r14"),
    R64("r15"),
    {"rip", "uint64", NULL, 8, "pc"},
    {"eflags", "i386_eflags", NULL, 4, NULL},
    SEGMENT("cs"),
    SEGMENT("ss"),
    SEGMENT("ds"),
    SEGMENT("es"),
    SEGMENT("fs"),
    SEGMENT("gs"),
    {"st0", "i387_ext", NULL, 10, NULL},
    {"st1", "i387_ext", NULL, 10, NULL},
    {"st2", "i387_ext", NULL, 10, NULL},
    {"st3", "i387_ext", NULL, 10, NULL},
    {"st4", "i387_ext", NULL, 10, NULL},
    {"st5", "i387_ext", NULL, 10, NULL},
    {"st6", "i387_ext", NULL, 10, NULL},
    {"st7", "i387_ext", NULL, 10, NULL},
    FPU("fctrl"),
    FPU("fstat"),
    FPU("ftag"),
    FPU("fiseg"),
    FPU("fioff"),
    FPU("foseg"),
    FPU("fooff"),
    FPU("fop"),
    PART("eax", "eax"),
    PART("ecx", "ecx"),
    PART("edx", "edx"),
    PART("ebx", "ebx"),
    PART("esp", "esp"),
    PART("ebp", "ebp"),
    PART("esi", "esi"),
    PART("edi", "edi"),
    PART("eip", "pc"),
    XML("</feature><feature name=\"org.gnu.gdb.i386.sse\">"),
    XML("<vector id=\"v4f\" type=\"ieee_single\" count=\"4\"/>"
        "<vector id=\"v2d\" type=\"ieee_double\" count=\"2\"/>"
        "<vector id=\"v16i8\" type=\"int8\" count=\"16\"/>"
        "<vector id=\"v8i16\" type=\"int16\" count=\"8\"/>"
        "<vector id=\"v4i32\" type=\"int32\" count=\"4\"/>"
        "<vector id=\"v2i64\" type=\"int64\" count=\"2\"/>"
        "<union id=\"vec128\"><field name=\"v4_float\" type=\"v4f\"/>"
        "<field name=\"v2_double\" type=\"v2d\"/><field name=\"v16_int8\" type=\"v16i8\"/>"
        "<field name=\"v8_int16\" type=\"v8i16\"/><field name=\"v4_int32\" type=\"v4i32\"/>"
        "<field name=\"v2_int64\" type=\"v2i64\"/><field name=\"uint128\" type=\"uint128\"/>"
        "</union>"),
    XML("<flags id=\"i386_mxcsr\" size=\"4\">"
        "<field name=\"IE\" start=\"0\" end=\"0\"/><field name=\"DE\" start=\"1\" end=\"1\"/>"
        "<field name=\"ZE\" start=\"2\" end=\"2\"/><field name=\"OE\" start=\"3\" end=\"3\"/>"
        "<field name=\"UE\" start=\"4\" end=\"4\"/><field name=\"PE\" start=\"5\" end=\"5\"/>"
        "<field name=\"DAZ\" start=\"6\" end=\"6\"/><field name=\"IM\" start=\"7\" end=\"7\"/>"
        "<field name=\"DM\" start=\"8\" end=\"8\"/><field name=\"ZM\" start=\"9\" end=\"9\"/>"
        "<field name=\"OM\" start=\"10\" end=\"10\"/><field name=\"UM\" start=\"11\" end=\"11\"/>"
        "<field name=\"PM\" start=\"12\" end=\"12\"/><field name=\"RC\" start=\"13\" end=\"14\"/>"
        "<field name=\"FZ\" start=\"15\" end=\"15\"/></flags>"),
    {"xmm%u", "vec128", NULL, 16, NULL},
    {"mxcsr", "i386_mxcsr", "vector", 4, NULL},
    XML("</feature><feature name=\"org.gnu.gdb.i386.avx\">"),
    {"ymm%uh", "uint128", NULL, 16, NULL},
    XML("</feature><feature name=\"org.gnu.gdb.i386.linux\">"),
    {"orig_rax", "int64", "system", 8, ""},
    {"orig_eax", "int32", "system", 4, ""},
    /* fs_base and gs_base are not in org.gnu.gdb.i386.segments: gdb 13's i386 architecture for
     * Linux has no room for them there and dies of a failed assertion. */
    XML("</feature><feature name=\"org.calque.x86.segments\">"),
    {"fs_base", "uint64", NULL, 8, NULL},
    {"gs_base", "uint64", NULL, 8, NULL},
    {"cs_rip", "uint64", "system", 8, "rip"},
    SYS("cs_base", 64),
    SYS("cs_limit", 32),
    SYS("cs_attr", 16),
    SYS("ss_base", 64),
    SYS("ss_limit", 32),
    SYS("ss_attr", 16),
    SYS("ds_base", 64),
    SYS("ds_limit", 32),
    SYS("ds_attr", 16),
    SYS("es_base", 64),
    SYS("es_limit", 32),
    SYS("es_attr", 16),
    SYS("fs_limit", 32),
    SYS("fs_attr", 16),
    SYS("gs_limit", 32),
    SYS("gs_attr", 16),
    SYS("ldtr", 16),
    SYS("ldtr_base", 64),
    SYS("ldtr_limit", 32),
    SYS("ldtr_attr", 16),
    SYS("tr", 16),
    SYS("tr_base", 64),
    SYS("tr_limit", 32),
    SYS("tr_attr", 16),
    SYS("gdtr_base", 64),
    SYS("gdtr_limit", 16),
    SYS("idtr_base", 64),
    SYS("idtr_limit", 16),
    XML("</feature><feature name=\"org.calque.x86.control\">"),
    XML("<flags id=\"x86_cr0\" size=\"4\">"
        "<field name=\"PE\" start=\"0\" end=\"0\"/><field name=\"MP\" start=\"1\" end=\"1\"/>"
        "<field name=\"EM\" start=\"2\" end=\"2\"/><field name=\"TS\" start=\"3\" end=\"3\"/>"
        "<field name=\"ET\" start=\"4\" end=\"4\"/><field name=\"NE\" start=\"5\" end=\"5\"/>"
        "<field name=\"WP\" start=\"16\" end=\"16\"/><field name=\"AM\" start=\"18\" end=\"18\"/>"
        "<field name=\"NW\" start=\"29\" end=\"29\"/><field name=\"CD\" start=\"30\" end=\"30\"/>"
        "<field name=\"PG\" start=\"31\" end=\"31\"/></flags>"),
    XML("<flags id=\"x86_cr4\" size=\"4\">"
        "<field name=\"VME\" start=\"0\" end=\"0\"/><field name=\"PVI\" start=\"1\" end=\"1\"/>"
        "<field name=\"TSD\" start=\"2\" end=\"2\"/><field name=\"DE\" start=\"3\" end=\"3\"/>"
        "<field name=\"PSE\" start=\"4\" end=\"4\"/><field name=\"PAE\" start=\"5\" end=\"5\"/>"
        "<field name=\"MCE\" start=\"6\" end=\"6\"/><field name=\"PGE\" start=\"7\" end=\"7\"/>"
        "<field name=\"PCE\" start=\"8\" end=\"8\"/><field name=\"OSFXSR\" start=\"9\" end=\"9\"/>"
        "<field name=\"OSXMMEXCPT\" start=\"10\" end=\"10\"/>"
        "<field name=\"UMIP\" start=\"11\" end=\"11\"/>"
        "<field name=\"FSGSBASE\" start=\"16\" end=\"16\"/>"
        "<field name=\"PCIDE\" start=\"17\" end=\"17\"/>"
        "<field name=\"OSXSAVE\" start=\"18\" end=\"18\"/>"
        "<field name=\"SMEP\" start=\"20\" end=\"20\"/>"
        "<field name=\"SMAP\" start=\"21\" end=\"21\"/></flags>"),
    XML("<flags id=\"x86_efer\" size=\"4\">"
        "<field name=\"SCE\" start=\"0\" end=\"0\"/><field name=\"LME\" start=\"8\" end=\"8\"/>"
        "<field name=\"LMA\" start=\"10\" end=\"10\"/><field name=\"NXE\" start=\"11\" end=\"11\"/>"
        "</flags>"),
    BITS("cr0", "x86_cr0"),
    SYS("cr2", 64),
    SYS("cr3", 64),
    BITS("cr4", "x86_cr4"),
    SYS("cr8", 64),
    BITS("efer", "x86_efer"),
    SYS("xcr0", 64),
    SYS("dr0", 64),
    SYS("dr1", 64),
    SYS("dr2", 64),
    SYS("dr3", 64),
    SYS("dr6", 64),
    SYS("dr7", 64),
    XML("</feature><feature name=\"org.calque.x86.msr\">"),
    {NULL, NULL, "msr", 8, NULL}, /* all of registers.h */
    XML("</feature>"),
};

/* ---- building ---- */

struct builder {
    struct gdb_target *t;
    size_t xml_size, regs_size;
    bool failed;
};

__attribute__((format(printf, 2, 3))) static void add_xml(struct builder *b, const char *fmt, ...)
{
    struct gdb_target *t = b->t;
    va_list ap;
    int n;

    if (b->xml_size - t->xml_len < 4096) {
        char *grown = realloc(t->xml, b->xml_size + 16384);

        b->failed |= !grown;
        if (!grown)
            return;
        t->xml = grown;
        b->xml_size += 16384;
    }
    va_start(ap, fmt);
    n = vsnprintf(t->xml + t->xml_len, 4096, fmt, ap);
    va_end(ap);
    t->xml_len += n < 4096 ? (size_t)n : 4095;
}

static void add_register(struct builder *b, const struct row *row, const char *name)
{
    struct gdb_target *t = b->t;
    const char *in = row->in ? row->in : name;

    if (t->n == b->regs_size) {
        struct gdb_register *grown = realloc(t->regs, (b->regs_size + 64) * sizeof(*grown));

        b->failed |= !grown;
        if (!grown)
            return;
        t->regs = grown;
        b->regs_size += 64;
    }
    struct gdb_register *r = &t->regs[t->n++];
    *r = (struct gdb_register){.size = row->size, .in = cpu_register_find(in)};
    snprintf(r->name, sizeof(r->name), "%s", name);
    t->bytes += r->size;
    add_xml(b, "<reg name=\"%s\" bitsize=\"%u\" type=\"%s\"", name, 8u * row->size,
            row->type ? row->type : "uint64");
    if (row->group)
        add_xml(b, " group=\"%s\"", row->group);
    /* What gdb saves and restores around a call that it makes: what such calls use. */
    add_xml(b, "%s/>\n",
            row->group && strcmp(row->group, "float") != 0 && strcmp(row->group, "vector") != 0
                ? " save-restore=\"no\""
                : "");
}

static void add_row(struct builder *b, const struct row *row)
{
    char name[20];

    if (row->name && strchr(row->name, '%')) {
        bool high = row->name[0] == 'y';

        for (unsigned n = 0; n < 16; n++) {
            snprintf(name, sizeof(name), high ? "ymm%uh" : "xmm%u", n);
            add_register(b, row, name);
        }
    } else if (row->name) {
        add_register(b, row, row->name);
    } else if (row->type) {
        add_xml(b, "%s\n", row->type);
    } else {
        for (unsigned n = 0; n < num_cpu_registers; n++)
            if (cpu_registers[n].group == REGS_MSR)
                add_register(b, row, cpu_registers[n].name);
    }
}

static unsigned number_of(const struct gdb_target *t, const char *name)
{
    unsigned n = 0;

    while (n < t->n && strcmp(t->regs[n].name, name) != 0)
        n++;
    return n;
}

bool gdb_target_init(struct gdb_target *t)
{
    struct builder b = {.t = t};

    *t = (struct gdb_target){0};
    add_xml(&b,
            "<?xml version=\"1.0\"?>\n<!DOCTYPE target SYSTEM \"gdb-target.dtd\">\n"
            "<target "
            "version=\"1.0\">\n<architecture>i386:x86-64</architecture>\n<osabi>none</osabi>\n");
    for (unsigned n = 0; n < ARRAY_SIZE(rows); n++)
        add_row(&b, &rows[n]);
    add_xml(&b, "</target>\n");
    if (b.failed) {
        gdb_target_destroy(t);
        return false;
    }
    t->rsp = number_of(t, "rsp");
    t->rip = number_of(t, "rip");
    return true;
}

void gdb_target_destroy(struct gdb_target *t)
{
    free(t->regs);
    free(t->xml);
}

/* ---- values ---- */

void gdb_target_get(const struct gdb_target *t, unsigned n, const struct cpu *cpu, void *value)
{
    const struct gdb_register *r = &t->regs[n];
    uint8_t v[16] = {0};

    if (r->in)
        r->in->get(cpu, r->in, v);
    else
        memset(v, 0xff, sizeof(v));
    memcpy(value, v, r->size);
}

/* A value wider than the register must not lose bits; gdb's own registers may be narrower (fioff).
 */
bool gdb_target_set(const struct gdb_target *t, unsigned n, struct debugger *d, unsigned index,
                    const void *value, struct error *err)
{
    const struct cpu *cpu = debugger_cpu(d, index);
    const struct gdb_register *r = &t->regs[n];
    uint8_t now[16], v[16] = {0};

    gdb_target_get(t, n, cpu, now);
    if (!r->in || !memcmp(now, value, r->size))
        return true;
    r->in->get(cpu, r->in, v);
    memcpy(v, value, r->size);
    for (unsigned k = r->in->size; k < r->size; k++)
        if (v[k])
            return error_set(err, "$%s has %u bytes", r->name, r->in->size);
    return debugger_set_register(d, index, r->in, v, err);
}
