/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The guest's vector and x87 state in the host's registers: brought there by the first block that
 * has copied instructions, taken away around C, which has registers of its own. */
#include "cpu/x86/ops.h"
#include "cpu/x86/x87.h"
#include "translator/x86_64/emit.h"

#define MXCSR_OFF  offsetof(struct cpu, mxcsr)
#define HOST_MXCSR 0x1f80u
#define FXSAVE_CSR 24 /* MXCSR in an image */
#define XMM_OFF(n) (offsetof(struct cpu, xmm) + 32 * (size_t)(n))

/* ---- between struct cpu and the image (SDM vol. 1 10.5.1) ---- */

static const struct insn *noted(const struct cpu *cpu, uint32_t number, uint64_t *rip)
{
    const struct tblock *t = &cpu->jit.translator->tblocks[number << 1 >> 7];
    const struct insn *i = &t->block->insns[number & 63];

    *rip = (t->rip + i->off) & cpu_ip_mask(cpu);
    return i;
}

/* FIP, FCS, FOP, FDS of what was copied last. FDP is stored by the code itself. */
static void note_pointers(struct cpu *cpu)
{
    struct jit_state *j = &cpu->jit;
    uint64_t rip;

    if (j->x87_memory_insn) {
        const struct insn *i = noted(cpu, j->x87_memory_insn, &rip);

        cpu->fds = i->seg < SEG_NONE ? cpu->seg[i->seg].sel : 0;
    }
    if (j->x87_insn) {
        cpu->fop = (uint16_t)noted(cpu, j->x87_insn, &cpu->fip)->imm;
        cpu->fcs = cpu->seg[SEG_CS].sel;
    }
    j->x87_insn = j->x87_memory_insn = 0;
}

static void x87_from_image(struct cpu *cpu)
{
    const uint8_t *a = cpu->jit.fxsave;

    note_pointers(cpu);
    memcpy(&cpu->fcw, a, 2);
    memcpy(&cpu->fsw, a + 2, 2);
    cpu->ftw = a[4];
    for (unsigned k = 0; k < 8; k++)
        memcpy(x87_st(cpu, k), a + 32 + 16 * (size_t)k, 10);
}

static void x87_to_image(struct cpu *cpu)
{
    uint8_t *a = cpu->jit.fxsave;
    uint32_t csr = HOST_MXCSR;

    memcpy(a, &cpu->fcw, 2);
    memcpy(a + 2, &cpu->fsw, 2);
    a[4] = cpu->ftw;
    memcpy(a + FXSAVE_CSR, &csr, 4);
    for (unsigned k = 0; k < 8; k++)
        memcpy(a + 32 + 16 * (size_t)k, x87_st(cpu, k), 10);
}

void fpu_take_x87(struct cpu *cpu)
{
    if (!(cpu->jit.fpu_live & FPU_X87))
        return;
    __asm__ volatile("fxsave64 %0\n\tfninit" : "=m"(cpu->jit.fxsave) : : "memory");
    cpu->jit.fpu_live = 0;
    x87_from_image(cpu);
}

void fpu_init(struct cpu *cpu)
{
    cpu->jit.host_mxcsr = HOST_MXCSR;
    cpu->jit.fpu_wide = cpu->jit.translator->host_has[F_avx] && model_has(&cpu->model, F_avx);
    cpu->jit.fpu_live = cpu->jit.fpu_saved = 0;
}

/* THUNK_LOAD_X87: back to where it was called, where the registers are loaded. */
const uint8_t *fpu_load_x87(struct cpu *cpu)
{
    cpu->jit.fpu_saved |= FPU_X87;
    return cpu->jit.site;
}

/* ---- thunks ---- */

static void vector(struct assembler *a, unsigned n, bool wide, bool store)
{
    if (wide) { /* VMOVAPS ymm */
        a_byte(a, 0xc4);
        a_byte(a, n & 8 ? 0x41 : 0xc1); /* the base is one of r8-r15 */
        a_byte(a, 0x7c);
        a_byte(a, store ? 0x29 : 0x28);
        a_modrm_mem(a, n, h_state(XMM_OFF(n)));
    } else {
        a_rm(a, OPC_0F | (store ? 0x29 : 0x28), 4, n, h_state(XMM_OFF(n)));
    }
}

/* LDMXCSR is /2, STMXCSR /3; FXSAVE64 /0, FXRSTOR64 /1. */
static void group15(struct assembler *a, unsigned size, unsigned ext, size_t offset)
{
    a_xm(a, OPC_0F | 0xae, size, ext, h_state(offset));
}

static uint8_t *unless(struct assembler *a, size_t flag, unsigned bit)
{
    a_xm(a, 0xf6, 1, 0, h_state(flag)); /* test byte */
    a_byte(a, bit);
    return a_jcc(a, CC_Z);
}

static void here(struct assembler *a, uint8_t *jump)
{
    a_fix(jump, a->p);
}

static void vectors(struct assembler *a, bool store)
{
    uint8_t *narrow = unless(a, JIT_OFF(fpu_wide), 1), *done;

    for (unsigned n = 0; n < 16; n++)
        vector(a, n, true, store);
    if (store) { /* VZEROUPPER */
        a_byte(a, 0xc5);
        a_byte(a, 0xf8);
        a_byte(a, 0x77);
    }
    done = a_jmp(a);
    here(a, narrow);
    for (unsigned n = 0; n < 16; n++)
        vector(a, n, false, store);
    here(a, done);
}

static void call_c(struct assembler *a, void (*fn)(struct cpu *))
{
    a_lea(a, 8, H_RDI, h_state(0));
    a_mov_imm(a, TEMP2, (uint64_t)(uintptr_t)fn);
    a_xr(a, 0xff, 4, 2, TEMP2);
}

/* The first block with vector instructions. Nothing but flags is changed. */
void fpu_emit_load_sse(struct assembler *a)
{
    vectors(a, false);
    group15(a, 4, 2, MXCSR_OFF);
    a_alu_mi(a, 1, 1, h_state(JIT_OFF(fpu_live)), FPU_SSE);
    a_ret(a);
}

/* On C's stack, general registers saved. The x87 waits for fpu_take_x87(). */
void fpu_emit_save(struct assembler *a)
{
    a_load(a, 1, H_RAX, h_state(JIT_OFF(fpu_live)));
    a_store(a, 1, H_RAX, h_state(JIT_OFF(fpu_saved)));
    a_alu_mi(a, 4, 1, h_state(JIT_OFF(fpu_live)), FPU_X87);
    uint8_t *no_sse = unless(a, JIT_OFF(fpu_saved), FPU_SSE);
    vectors(a, true);
    group15(a, 4, 3, MXCSR_OFF);
    group15(a, 4, 2, JIT_OFF(host_mxcsr));
    here(a, no_sse);
    a_ret(a);
}

/* x87 registers that were taken, before SSE's: FXRSTOR64 loads some of those too. rax stays. */
static void reload_x87(struct assembler *a)
{
    uint8_t *none = unless(a, JIT_OFF(fpu_saved), FPU_X87);
    a_xm(a, 0xf6, 1, 0, h_state(JIT_OFF(fpu_live))); /* test byte */
    a_byte(a, FPU_X87);
    uint8_t *still_there = a_jcc(a, CC_NZ);
    a_push(a, H_RAX);
    call_c(a, x87_to_image);
    a_pop(a, H_RAX);
    group15(a, 8, 1, JIT_OFF(fxsave));
    here(a, still_there);
    here(a, none);
}

/* The same place after C; rax stays. */
void fpu_emit_reload(struct assembler *a)
{
    reload_x87(a);
    uint8_t *no_sse = unless(a, JIT_OFF(fpu_saved), FPU_SSE);
    vectors(a, false);
    group15(a, 4, 2, MXCSR_OFF);
    here(a, no_sse);
    a_load(a, 1, H_RCX, h_state(JIT_OFF(fpu_saved)));
    a_store(a, 1, H_RCX, h_state(JIT_OFF(fpu_live)));
    a_xm(a, 0xc6, 1, 0, h_state(JIT_OFF(fpu_saved)));
    a_byte(a, 0);
    a_ret(a);
}
