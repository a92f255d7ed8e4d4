/* SPDX-License-Identifier: GPL-2.0-or-later */
#ifndef CALQUE_CPU_X86_SOFTFP_H
#define CALQUE_CPU_X86_SOFTFP_H

#include <stdbool.h>
#include <stdint.h>

/* Binary floating point of 32, 64 and 80 bits in integer arithmetic, with the processor's rules:
 * flags, NaNs, denormals, tininess after rounding (SDM vol. 1 4.8, 4.9, 8.5, 11.5). Exact on every
 * host. An operation takes operands apart (sf_unpack*), computes, rounds to a format and gives a
 * value to put together again (sf_pack*). */

typedef unsigned __int128 sf_u128;

/* Exception flags, as in MXCSR and the x87 status word. */
#define SF_IE 0x01u
#define SF_DE 0x02u
#define SF_ZE 0x04u
#define SF_OE 0x08u
#define SF_UE 0x10u
#define SF_PE 0x20u

/* NaNs last. SF_UNSUPPORTED: the 80-bit encodings of SDM vol. 1 table 8-3 that are invalid. */
enum sf_class { SF_ZERO, SF_FINITE, SF_INF, SF_QNAN, SF_SNAN, SF_UNSUPPORTED };

/* |x| = m * 2^(e-63). Unpacked, m has bit 63 set; a rounded denormal does not, and its e is the
 * format's smallest. NaN: m is the significand, left-justified, with the integer bit. */
struct sf {
    uint64_t m;
    int32_t e;
    uint8_t cls;
    bool neg, denormal; /* denormal: it was one in its format */
};

/* Not yet rounded: |x| = m * 2^(e-127), bit 127 of m set, bit 0 stands for all that is lower. */
struct sf_wide {
    sf_u128 m;
    int32_t e;
    bool neg;
};

enum sf_rounding { SF_NEAREST, SF_DOWN, SF_UP, SF_TO_ZERO }; /* as in MXCSR.RC and FCW.RC */

struct sf_env {
    uint8_t rounding; /* enum sf_rounding */
    bool daz, ftz;    /* MXCSR; ftz only while underflow is masked */
    bool x87;         /* NaN choice of the x87 */
    uint8_t unmasked; /* x87: exceptions that get their unmasked response */
    bool to_memory;   /* the unmasked response to overflow and underflow is no result */
    uint8_t flags;    /* out, sticky */
    bool up;          /* out: the last rounding increased the magnitude (C1) */
};

struct sf_format {
    uint8_t prec; /* bits of the significand */
    int16_t emin, emax;
};
extern const struct sf_format sf_f32, sf_f64, sf_f80;

struct sf sf_unpack16(uint16_t v);
struct sf sf_unpack32(uint32_t v);
struct sf sf_unpack64(uint64_t v);
struct sf sf_unpack80(uint64_t mant, uint16_t sexp);
uint32_t sf_pack32(const struct sf *a);
uint64_t sf_pack64(const struct sf *a);
/* Returns the sign and exponent. */
uint16_t sf_pack80(const struct sf *a, uint64_t *mant);

struct sf sf_default_nan(void);
struct sf sf_zero(bool neg);
struct sf sf_infinity(bool neg);
struct sf sf_from_int(int64_t v);

/* Rounds to a format and signals OE, UE, PE. The unmasked response with a register as destination
 * moves the exponent by 24576 (SDM vol. 1 8.5.4, 8.5.5). */
struct sf sf_round(struct sf_env *env, const struct sf_format *f, struct sf_wide w);
/* A finite or other value to the format: signals DE, and IE for a signalling NaN. */
struct sf sf_convert(struct sf_env *env, const struct sf_format *f, struct sf a);

/* True when an operand is a NaN or unsupported: *r is the answer (SDM vol. 1 table 4-7). */
bool sf_nans(struct sf_env *env, const struct sf *a, const struct sf *b, struct sf *r);
/* Signals IE; gives the default NaN. */
struct sf sf_invalid(struct sf_env *env);
/* Signals DE when one is denormal. True: that is unmasked, and the operation stops here. */
bool sf_denormals(struct sf_env *env, const struct sf *a, const struct sf *b);

typedef struct sf sf_binary(struct sf_env *env, const struct sf_format *f, struct sf a,
                            struct sf b);
sf_binary sf_add, sf_sub, sf_mul, sf_div;
struct sf sf_sqrt(struct sf_env *env, const struct sf_format *f, struct sf a);
/* a * b + c with one rounding; 32- and 64-bit formats. NaNs: the first of a, b, c. */
struct sf sf_fma(struct sf_env *env, const struct sf_format *f, struct sf a, struct sf b,
                 struct sf c);

/* To an integral value of the same format; signals PE. */
struct sf sf_rint(struct sf_env *env, struct sf a);
/* To a signed integer of `bits`; out of range or a NaN: IE and the integer indefinite. */
int64_t sf_to_int(struct sf_env *env, struct sf a, unsigned bits);

enum sf_order { SF_LESS, SF_EQUAL, SF_GREATER, SF_UNORDERED };
/* Signals IE for signalling NaNs (`loud`: for all NaNs) and DE. */
enum sf_order sf_compare(struct sf_env *env, struct sf a, struct sf b, bool loud);

#endif
