/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Hardware task switches (SDM vol. 3A chapter 7): JMP, CALL with IRET back, task gate. */
#include "lib/task.h"

enum { TASK_GATE = OTHER + 8 };
static uint8_t stack[4096] __attribute__((aligned(16)));
volatile uint32_t seen_flags, seen_eax, seen_count, seen_tr;

/* Body of the other task: notes what it finds, returns by IRET, and again when called again. */
__asm__(".text\ntask_body:\n\t"
        "mov %eax, seen_eax\n\tpushf\n\tpop seen_flags\n\tstr %eax\n\tmov %eax, seen_tr\n\t"
        "incl seen_count\n\tiret\n\tmov $0x77, %eax\n\tjmp task_body\n"
        "task_jump:\n\tincl seen_count\n\tljmp $0x50, $0\n\tjmp task_jump\n");
extern char task_body[], task_jump[];

static void prepare(void *entry)
{
    new_task(entry, stack + sizeof stack);
    *field(0x28) = 0x1234; /* EAX */
}

void guest_main(void)
{
    prepare(task_body);
    write_cr0(read_cr0() & ~8ul);
    TRY("lcall %0, $0", ::"i"(OTHER) : "memory");
    check_fault("CALL to a TSS", NONE, 0);
    check("registers come from the TSS", seen_eax, 0x1234);
    check("CALL sets NT", seen_flags & 0x4000, 0x4000);
    check("TR is the new task", seen_tr, OTHER);
    check("back link", other[0], SEL_TSS);
    check("the task ran once", seen_count, 1);
    check("CR0.TS is set", read_cr0() & 8, 8);
    check("IRET: NT is clear again", read_flags() & 0x4000, 0);
    check("IRET: the other TSS is available", type_of(OTHER), 0x89);
    check("IRET: this TSS is busy", type_of(SEL_TSS), 0x8b);
    check("IRET saves EIP behind itself", *field(0x20) > (uint32_t)task_body, 1);
    check("IRET saves NT clear", *field(0x24) & 0x4000, 0);
    TRY("lcall %0, $0", ::"i"(OTHER) : "memory");
    check("called again, it goes on behind IRET", seen_eax, 0x77);
    check("called again", seen_count, 2);

    gdt[TASK_GATE / 8] = (uint64_t)OTHER << 16 | 0x85ull << 40;
    TRY("lcall %0, $0", ::"i"(TASK_GATE) : "memory");
    check("CALL through a task gate", seen_count, 3);
    /* An interrupt through a task gate. */
    set_gate(0x90, 0, 0x85);
    ((uint16_t *)(idt + 0x90 * 8))[1] = OTHER;
    TRY("int $0x90", ::: "memory");
    check("INT through a task gate", seen_count, 4);

    prepare(task_jump);
    TRY("ljmp %0, $0", ::"i"(OTHER) : "memory");
    check_fault("JMP to a TSS and back", NONE, 0);
    check("JMP: the task ran", seen_count, 5);
    check("JMP: the other TSS is available", type_of(OTHER), 0x89);
    check("JMP: this TSS is busy", type_of(SEL_TSS), 0x8b);
    check("JMP sets no NT", read_flags() & 0x4000, 0);

    TRY("lcall %0, $0", ::"i"(SEL_TSS) : "memory");
    check_fault("#GP: CALL to a busy TSS", GP, SEL_TSS);
    gdt[OTHER / 8] = descriptor((uint32_t)other, 0x66, 0x89, 0);
    TRY("lcall %0, $0", ::"i"(OTHER) : "memory");
    check_fault("#TS: TSS limit too small", TS, OTHER);
    gdt[OTHER / 8] = descriptor((uint32_t)other, 0x67, 0x09, 0);
    TRY("lcall %0, $0", ::"i"(OTHER) : "memory");
    check_fault("#NP: TSS not present", NP, OTHER);
}
