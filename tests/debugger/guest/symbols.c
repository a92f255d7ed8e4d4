/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What tests/unit/test_expr.c, test_symbols.c and test_unwind.c look at: types of all kinds, and
 * calls that go three deep, to stop(). Lines are counted there: LINE_... in the sources. */
#include "lib/rt.h"

enum color { RED, GREEN = 5, BLUE = -3 };
enum flags { FLAG_A = 1, FLAG_B = 2, FLAG_C = 8 };

union both {
    unsigned number;
    unsigned char bytes[4];
};

struct inner {
    int x, y;
};

struct list {
    struct list *next;
    int value;
};

typedef struct inner inner_t;
typedef unsigned long long wide_t;

struct outer {
    char name[16];
    enum color color;
    enum flags flags;
    unsigned low : 3, middle : 7;
    int sign : 4;
    union both both;
    struct {
        short hidden;
    };
    inner_t pair[3];
    int (*function)(int, struct outer *);
    const char *text;
    wide_t wide;
    _Bool yes;
    float f;
    double d;
    struct list *list;
    int grid[2][3];
};

static struct list second = {0, 22}, first = {&second, 11};
static int count;
struct outer thing;
signed char small = -5;
unsigned short medium = 65535;
unsigned zeros[40];
volatile int stopped;

__attribute__((noipa)) static void stop(int *where)
{
    count++; /* LINE_STOP */
    stopped = *where;
}

__attribute__((noipa)) static int deeper(int n, struct outer *o)
{
    int local = n * 3;
    int array[4] = {n, n + 1, n + 2, n + 3};

    stop(&array[2]); /* LINE_DEEPER */
    return local + array[3] + o->color;
}

__attribute__((noipa)) static int middle(int n, struct outer *o)
{
    int result = deeper(n + 1, o);

    return result + o->pair[1].x; /* LINE_MIDDLE */
}

void guest_main(void)
{
    thing = (struct outer){.name = "calque",
                           .color = GREEN,
                           .flags = FLAG_A | FLAG_C,
                           .low = 5,
                           .middle = 100,
                           .sign = -2,
                           .both = {0x01020304},
                           .hidden = 77,
                           .pair = {{1, 2}, {3, 4}, {5, 6}},
                           .function = middle,
                           .text = "a \"text\"",
                           .wide = 0x123456789abcdefull,
                           .yes = 1,
                           .list = &first,
                           .grid = {{1, 2, 3}, {4, 5, 6}}};
    zeros[39] = 1;
    *(unsigned *)&thing.f = 0x3fc00000;                      /* 1.5 */
    *(unsigned long long *)&thing.d = 0xc004000000000000ull; /* -2.5 */
    check("calls", (word)middle(7, &thing), 8 * 3 + 11 + 5 + 3);
}
