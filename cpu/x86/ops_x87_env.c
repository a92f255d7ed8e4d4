/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The x87 environment in memory: FLDENV, FNSTENV, FNSAVE, FRSTOR (SDM vol. 1 8.1.10). */
#include "cpu/x86/x87.h"

/* ---- full tag word (SDM vol. 1 8.1.7) ---- */
enum { TAG_VALID, TAG_ZERO, TAG_SPECIAL, TAG_EMPTY };

static unsigned tag_of(const struct x87_reg *r)
{
    unsigned e = r->sexp & 0x7fff;
    if (!e)
        return r->mant ? TAG_SPECIAL : TAG_ZERO;
    return e == 0x7fff || !(r->mant >> 63) ? TAG_SPECIAL : TAG_VALID;
}
uint16_t x87_full_tags(const struct cpu *cpu)
{
    unsigned t = 0;
    for (unsigned k = 0; k < 8; k++)
        t |= (cpu->ftw >> k & 1 ? tag_of(&cpu->fpr[k]) : TAG_EMPTY) << 2 * k;
    return (uint16_t)t;
}
uint8_t x87_short_tags(uint16_t full)
{
    unsigned t = 0;
    for (unsigned k = 0; k < 8; k++)
        t |= (unsigned)((full >> 2 * k & 3) != TAG_EMPTY) << k;
    return (uint8_t)t;
}

/* ---- the image: 7 fields of 2 bytes, or of 4 ---- */
static unsigned field_size(const struct insn *i)
{
    return insn_osize(i) == 2 ? 2 : 4;
}
static void put(uint8_t *env, unsigned w, unsigned n, uint32_t v)
{
    if (w == 2)
        st_le16(env + 2 * n, (uint16_t)v);
    else
        st_le32(env + 4 * n, v);
}
static uint32_t get(const uint8_t *env, unsigned w, unsigned n)
{
    return w == 2 ? ld_le16(env + 2 * n) : ld_le32(env + 4 * n);
}
/* Fields 3-6. Real mode has linear addresses, their upper bits above the opcode's. */
static void put_pointers(const struct cpu *cpu, uint8_t *env, unsigned w)
{
    if (!cpu->real_or_v86) {
        put(env, w, 3, (uint32_t)cpu->fip);
        put(env, w, 4, cpu->fcs | (uint32_t)cpu->fop << 16);
        put(env, w, 5, (uint32_t)cpu->fdp);
        put(env, w, 6, cpu->fds | 0xffff0000);
        return;
    }
    uint32_t ip = (uint32_t)cpu->fip + ((uint32_t)cpu->fcs << 4);
    uint32_t dp = (uint32_t)cpu->fdp + ((uint32_t)cpu->fds << 4);
    put(env, w, 3, (ip & 0xffff) | 0xffff0000);
    put(env, w, 4, (ip & 0xffff0000) >> 4 | cpu->fop);
    put(env, w, 5, (dp & 0xffff) | 0xffff0000);
    put(env, w, 6, (dp & 0xffff0000) >> 4);
}
static void get_pointers(struct cpu *cpu, const uint8_t *env, unsigned w)
{
    uint32_t a = get(env, w, 3), b = get(env, w, 4), c = get(env, w, 5), d = get(env, w, 6);
    if (!cpu->real_or_v86) {
        cpu->fip = a;
        cpu->fcs = (uint16_t)b;
        if (w == 4)
            cpu->fop = b >> 16 & 0x7ff;
        cpu->fdp = c;
        cpu->fds = (uint16_t)d;
        return;
    }
    cpu->fip = (a & 0xffff) | (b & 0x0ffff000) << 4;
    cpu->fop = b & 0x7ff;
    cpu->fdp = (c & 0xffff) | (d & 0x0ffff000) << 4;
    cpu->fcs = cpu->fds = 0;
}
static void put_env(const struct cpu *cpu, uint8_t *env, unsigned w)
{
    put(env, w, 0, cpu->fcw | 0xffff0000);
    put(env, w, 1, cpu->fsw | 0xffff0000);
    put(env, w, 2, x87_full_tags(cpu) | 0xffff0000);
    put_pointers(cpu, env, w);
}
static void get_env(struct cpu *cpu, const uint8_t *env, unsigned w)
{
    cpu->fcw = (get(env, w, 0) & 0x1f3f) | 0x40;
    cpu->fsw = (uint16_t)get(env, w, 1);
    cpu->ftw = x87_short_tags((uint16_t)get(env, w, 2));
    get_pointers(cpu, env, w);
    x87_update_summary(cpu);
}

/* ---- the instructions ---- */

/* Where the image of `size` bytes is. Its first field and its last byte are touched before anything
 * else, as processors do: that decides CR2. */
static int env_linear(struct cpu *cpu, const struct insn *i, unsigned size, enum mem_access acc,
                      uint64_t *lin)
{
    uint8_t scratch[4];
    unsigned w = field_size(i);
    if (unlikely(insn_linear(cpu, i, size, acc, lin)))
        return OP_FAULT;
    if (acc == ACCESS_STORE ? lin_probe_store(cpu, *lin, w) : mem_load_slow(cpu, *lin, w, scratch))
        return OP_FAULT;
    return acc == ACCESS_STORE ? lin_probe_store(cpu, *lin + size - 1, 1)
                               : lin_load8(cpu, *lin + size - 1, scratch);
}
int op_fnstenv_x(struct cpu *cpu, const struct insn *i)
{
    uint8_t env[28];
    unsigned w = field_size(i);
    uint64_t lin;
    if (unlikely(x87_check_nowait(cpu) || env_linear(cpu, i, 7 * w, ACCESS_STORE, &lin)))
        return OP_FAULT;
    put_env(cpu, env, w);
    if (unlikely(mem_store_bytes(cpu, i, 7 * w, env)))
        return OP_FAULT;
    cpu->fcw |= FSW_EXC; /* masks all */
    x87_update_summary(cpu);
    return OP_OK;
}
int op_fldenv_x(struct cpu *cpu, const struct insn *i)
{
    uint8_t env[28];
    unsigned w = field_size(i);
    uint64_t lin;
    if (unlikely(x87_check(cpu) || env_linear(cpu, i, 7 * w, ACCESS_LOAD, &lin) ||
                 mem_load_bytes(cpu, i, 7 * w, env)))
        return OP_FAULT;
    get_env(cpu, env, w);
    return OP_OK;
}
/* 94 or 108 bytes, accessed in halves. */
int op_fnsave_x(struct cpu *cpu, const struct insn *i)
{
    uint8_t a[108];
    unsigned w = field_size(i), half = (7 * w + 80) / 2;
    uint64_t lin;
    if (unlikely(x87_check_nowait(cpu) || env_linear(cpu, i, 2 * half, ACCESS_STORE, &lin) ||
                 lin_probe_store(cpu, lin, half) || lin_probe_store(cpu, lin + half, half)))
        return OP_FAULT;
    put_env(cpu, a, w);
    for (unsigned k = 0; k < 8; k++)
        memcpy(a + 7 * w + 10 * k, x87_st(cpu, k), 10);
    if (unlikely(mem_store_slow(cpu, lin, half, a) ||
                 mem_store_slow(cpu, lin + half, half, a + half)))
        return OP_FAULT;
    return op_fninit_x(cpu, i);
}
int op_frstor_x(struct cpu *cpu, const struct insn *i)
{
    uint8_t a[108];
    unsigned w = field_size(i), half = (7 * w + 80) / 2;
    uint64_t lin;
    if (unlikely(x87_check(cpu) || env_linear(cpu, i, 2 * half, ACCESS_LOAD, &lin) ||
                 mem_load_slow(cpu, lin, half, a) ||
                 mem_load_slow(cpu, lin + half, half, a + half)))
        return OP_FAULT;
    get_env(cpu, a, w);
    for (unsigned k = 0; k < 8; k++)
        memcpy(x87_st(cpu, k), a + 7 * w + 10 * k, 10);
    return OP_OK;
}
