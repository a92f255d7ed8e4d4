/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The instruction table in its two shapes: operations by opcode id, encodings by opcode. */
#include "cpu/x86/ops.h"

#define OP_COUNT(n, f, s) +1
#define ENC(...)
/* FIRST_OP_name: the enum value of an operation's first form. */
#define OPERATION(name_, class_, rd, wr, un, props_, cpuid_)                                       \
    FIRST_OP_##name_, AFTER_OP_##name_ = FIRST_OP_##name_ + (0 FORMS_##class_(OP_COUNT, name_)) - 1,
enum {
#include "cpu/x86/insns_all.def"
};
#undef OPERATION
#define OPERATION(name_, class_, rd, wr, un, props_, cpuid_)                                       \
    {.name = #name_,                                                                               \
     .class = CLASS_##class_,                                                                      \
     .fl_read = rd,                                                                                \
     .fl_write = wr,                                                                               \
     .fl_undef = un,                                                                               \
     .props = props_,                                                                              \
     .cpuid = cpuid_,                                                                              \
     .first_op = FIRST_OP_##name_},
const struct operation_info operations[NUM_OPERATIONS] = {
#include "cpu/x86/insns_all.def"
};
#undef OPERATION
#undef OP_COUNT

#define OP_OPERATION(n, f, s)                            OPN_##n,
#define OPERATION(name, class, rd, wr, un, props, cpuid) FORMS_##class(OP_OPERATION, name)
const uint16_t operation_of[NUM_OPS] = {
#include "cpu/x86/insns_all.def"
};
#undef OPERATION
#undef OP_OPERATION

#define OP_NAME(n, f, s)                                 #n "_" #f #s,
#define OPERATION(name, class, rd, wr, un, props, cpuid) FORMS_##class(OP_NAME, name)
static const char *const op_names[NUM_OPS] = {
#include "cpu/x86/insns_all.def"
};
#undef OPERATION
#undef OP_NAME

#define OP_HANDLER(n, f, s)                              op_##n##_##f##s,
#define OPERATION(name, class, rd, wr, un, props, cpuid) FORMS_##class(OP_HANDLER, name)
op_fn *const op_handlers[NUM_OPS] = {
#include "cpu/x86/insns_all.def"
};
#undef OPERATION
#undef OP_HANDLER
#undef ENC

#define OPERATION(...)
#define ENC(map_, opcode_, match_, operation_, o1, o2, o3, o4)                                     \
    {.map = map_,                                                                                  \
     .opcode = opcode_,                                                                            \
     .operation = OPN_##operation_,                                                                \
     .match = match_,                                                                              \
     .opnd = {o1, o2, o3, o4}},
const struct encoding encodings[] = {
#include "cpu/x86/insns_all.def"
};
#undef OPERATION
#undef ENC

const unsigned num_encodings = ARRAY_SIZE(encodings);

const char *op_name(unsigned op)
{
    return op_names[op];
}
