/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Disassembly for people. Capstone prints instructions; it never decides what they do. */
#include "cpu/x86/disas.h"

#include "config.h"

#if CONFIG_CAPSTONE
#include <capstone/capstone.h>

size_t disas_syntax(char *text, size_t size, uint64_t address, const uint8_t *bytes, size_t len,
                    unsigned code_mode, bool att)
{
    static const cs_mode modes[] = {
        [CODE16] = CS_MODE_16, [CODE32] = CS_MODE_32, [CODE64] = CS_MODE_64};
    csh handle;
    cs_insn *insn = NULL;
    size_t used = 1;
    snprintf(text, size, "(bad) %02x", len ? bytes[0] : 0);
    if (cs_open(CS_ARCH_X86, modes[code_mode], &handle) != CS_ERR_OK)
        return used;
    if (att)
        cs_option(handle, CS_OPT_SYNTAX, CS_OPT_SYNTAX_ATT);
    if (cs_disasm(handle, bytes, len, address, 1, &insn) == 1) {
        snprintf(text, size, "%s %s", insn->mnemonic, insn->op_str);
        used = insn->size;
        cs_free(insn, 1);
    }
    cs_close(&handle);
    return used;
}
#else
size_t disas_syntax(char *text, size_t size, uint64_t address, const uint8_t *bytes, size_t len,
                    unsigned code_mode, bool att)
{
    (void)address, (void)code_mode, (void)att;
    snprintf(text, size, ".byte 0x%02x", len ? bytes[0] : 0);
    return 1;
}
#endif

size_t disas_one(char *text, size_t size, uint64_t address, const uint8_t *bytes, size_t len,
                 unsigned code_mode)
{
    return disas_syntax(text, size, address, bytes, len, code_mode, false);
}

void disas_log(struct log *log, uint32_t category, uint64_t address, const uint8_t *bytes,
               size_t len, unsigned code_mode)
{
    char text[160];
    for (size_t at = 0; at < len;) {
        size_t n = disas_one(text, sizeof(text), address + at, bytes + at, len - at, code_mode);
        log_line(log, category, "0x%016llx: %s", (unsigned long long)(address + at), text);
        at += n;
    }
}
