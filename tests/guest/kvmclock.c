/* SPDX-License-Identifier: GPL-2.0-or-later */
/* KVM's paravirtual clock (Linux, Documentation/virt/kvm/x86: cpuid.rst, msr.rst), with
 * -cpu MODEL,+kvmclock, and that its MSRs are absent without. Against the HPET's counter, the RTC
 * and other processors' clocks. */
#include "lib/ap.h"
#include "lib/rt.h"

enum { WALL_OLD = 0x11, TIME_OLD = 0x12, WALL = 0x4b564d00, TIME = 0x4b564d01 };
enum { TSC = 0x10, ADJUST = 0x3b, STABLE = 1, MAX = 8, ROUNDS = 20000 };
#define FAR (1ull << 50)

struct time_info {
    uint32_t version, pad0;
    uint64_t tsc, time;
    uint32_t mul;
    int8_t shift;
    uint8_t flags, pad[2];
};
struct wall_info {
    uint32_t version, sec, nsec;
};
/* One more behind each, to see that nothing is written there. */
static volatile struct time_info infos[2 * MAX] __attribute__((aligned(64)));
static volatile struct wall_info wall[2] __attribute__((aligned(64)));

static void clear(volatile void *p, size_t n)
{
    for (volatile uint8_t *b = p; n--;)
        *b++ = 0;
}

static bool is_clear(const volatile void *p, size_t n)
{
    for (const volatile uint8_t *b = p; n; b++, n--)
        if (*b)
            return false;
    return true;
}

static uint64_t address(const volatile void *p)
{
    return (word)p;
}

/* ns, as guests have to read it. */
static uint64_t now(const volatile struct time_info *t)
{
    uint64_t ticks, time;
    uint32_t version;

    do {
        version = t->version;
        __sync_synchronize();
        ticks = rdtsc() - t->tsc;
        ticks = t->shift < 0 ? ticks >> -t->shift : ticks << t->shift;
        time = t->time + (ticks >> 32) * t->mul + ((ticks & 0xffffffff) * t->mul >> 32);
        __asm__ volatile("" ::: "memory");
    } while (version & 1 || version != t->version);
    return time;
}

/* ---- CPUID, and without ---- */

static bool offered(void)
{
    uint32_t id[4];

    cpuid(1, id);
    if (!(id[2] >> 31))
        return false;
    cpuid(0x40000000, id);
    if (id[1] != 0x4b4d564b || id[2] != 0x564b4d56 || id[3] != 0x4d) /* KVMKVMKVM */
        return false;
    report(id[0] >= 0x40000001, "the leaves reach 40000001H");
    cpuid(0x40000001, id);
    check("CLOCKSOURCE, CLOCKSOURCE2, CLOCKSOURCE_STABLE_BIT", id[0] & 0x01000009, 0x01000009);
    return true;
}

static void absent(void)
{
    static const uint32_t msrs[] = {WALL_OLD, TIME_OLD, WALL, TIME};
    unsigned faults = 0;

    for (unsigned n = 0; n < 4; n++) {
        uint32_t a, d;
        TRY("rdmsr", : "=a"(a), "=d"(d) : "c"(msrs[n]) : "memory");
        faults += exc.vector == GP;
        TRY("wrmsr", : : "c"(msrs[n]), "a"((uint32_t)address(infos) | 1), "d"(0) : "memory");
        faults += exc.vector == GP;
    }
    check("#GP: MSRs that are not offered", faults, 8);
    report(is_clear(infos, sizeof(infos)), "and nothing is written");
}

/* ---- one processor ---- */

static void registers(void)
{
    check("MSRs are 0 first", rdmsr(TIME) | rdmsr(WALL), 0);
    wrmsr(TIME_OLD, address(infos) | 1);
    check("the new number reads what the old one wrote", rdmsr(TIME), address(infos) | 1);
    uint32_t version = infos->version;
    report(version && !(version & 1), "the version is even");
    report(infos->mul >> 31, "the multiplier has all its bits");
    report(is_clear(infos + 1, sizeof(infos[1])), "and no byte behind is written");
    clear(infos, sizeof(infos[0]));
    wrmsr(TIME, 0);
    wrmsr(TIME, 0xfee00000 | 1);
    check("an address without memory reads back", rdmsr(TIME_OLD), 0xfee00000 | 1);
    wrmsr(TIME, address(infos) & ~1ull);
    report(is_clear(infos, sizeof(infos[0])), "nothing is written while the enable bit is clear");
    wrmsr(TIME, address(infos) | 1);
    report(infos->version && infos->mul, "it is again when it is set");
}

/* The HPET's counter, of 100 MHz. */
static uint32_t hpet_ticks(void)
{
    return *(volatile uint32_t *)0xfed000f0;
}

/* How far the clock goes while the HPET does so many ns: within what lies around both readings, and
 * a thousandth. */
static bool keeps_time(uint32_t ns)
{
    uint64_t a = now(infos);
    uint32_t from = hpet_ticks();
    uint64_t b = now(infos);
    while (hpet_ticks() - from < ns / 10)
        ;
    uint64_t c = now(infos);
    uint64_t passed = (uint64_t)(hpet_ticks() - from) * 10;
    uint64_t d = now(infos), slack = (passed >> 10) + 100;

    return c - b <= passed + slack && d - a + slack >= passed;
}

static void runs(void)
{
    *(volatile uint32_t *)0xfed00010 |= 1;
    check("the HPET's period", *(volatile uint32_t *)0xfed00004, 10000000);
    uint64_t last = now(infos);
    bool forward = true;
    for (unsigned n = 0; n < ROUNDS; n++) {
        uint64_t t = now(infos);
        forward = forward && t >= last;
        last = t;
    }
    report(forward, "it never goes back");
    report(keeps_time(20000000), "it keeps the HPET's time");
}

/* The counter is moved: the clock is not. (KVM itself sees to that for TSC_ADJUST alone.) */
static void moves(uint32_t msr, const char *name, uint64_t to)
{
    uint32_t from = hpet_ticks();
    uint64_t before = now(infos);

    wrmsr(msr, to);
    uint64_t after = now(infos);
    uint64_t passed = (uint64_t)(hpet_ticks() - from) * 10;
    report(after >= before && after - before <= passed + (passed >> 10) + 1000, name);
}

static void stops(void)
{
    wrmsr(TIME, 0);
    clear(infos, sizeof(infos[0]));
    wrmsr(TSC, rdtsc() + FAR);
    report(is_clear(infos, sizeof(infos[0])), "disabled: nothing is written any more");
    wrmsr(TIME, address(infos) | 1);
}

/* ---- the date ---- */

static unsigned binary(unsigned reg)
{
    unsigned v = rtc(reg);

    return rtc(0x0b) & 4 ? v : (v >> 4) * 10 + (v & 15);
}

/* Seconds since 1970, of years from 2001 to 2099. */
static uint32_t rtc_date(void)
{
    static const uint16_t before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    uint32_t s, date;

    do {
        s = binary(0);
        unsigned year = binary(9) + 30, month = binary(8); /* since 1970 */
        date = year * 365 + (year + 1) / 4 + before[(month - 1) % 12] + binary(7) - 1;
        date += year % 4 == 2 && month > 2;
        date = ((date * 24 + binary(4)) * 60 + binary(2)) * 60 + s;
    } while (rtc(0x0a) & 0x80 || s != binary(0));
    return date;
}

static void dates(void)
{
    wrmsr(WALL_OLD, address(wall));
    check("the date's MSR reads back", rdmsr(WALL), address(wall));
    uint32_t version = wall->version;
    report(version && !(version & 1), "the date's version is even");
    report(wall->nsec < 1000000000 && is_clear(wall + 1, sizeof(wall[1])), "the date's form");
    wrmsr(WALL, address(wall));
    report(wall->version != version && !(wall->version & 1), "it is written again");
    /* The RTC is asked between two readings. */
    uint64_t from = now(infos);
    uint32_t date = rtc_date(), seconds[2] = {wall->sec, wall->sec};
    uint64_t times[2] = {from + wall->nsec, now(infos) + wall->nsec};
    for (unsigned n = 0; n < 2; n++)
        for (; times[n] >= 1000000000; times[n] -= 1000000000)
            seconds[n]++;
    report(date + 2 >= seconds[0] && date <= seconds[1] + 2, "it is the RTC's");
}

/* ---- several ---- */

static uint8_t stacks[MAX][4096] __attribute__((aligned(16)));
static unsigned ncpus;
static struct ap_barrier barrier;
static volatile uint32_t lock, back;
static volatile uint64_t latest;

static void agree(void)
{
    volatile struct time_info *mine = &infos[self()];

    wrmsr(TIME, address(mine) | 1);
    ap_wait(&barrier, ncpus);
    for (unsigned n = 0; n < ROUNDS; n++) {
        while (__atomic_exchange_n(&lock, 1, __ATOMIC_ACQUIRE))
            __asm__ volatile("pause");
        uint64_t t = now(mine);
        back += t < latest && mine->flags & STABLE;
        latest = t;
        __atomic_store_n(&lock, 0, __ATOMIC_RELEASE);
    }
    ap_wait(&barrier, ncpus);
}

void ap_main(void)
{
    load_idt(256 * (sizeof(word) == 8 ? 16 : 8) - 1);
    set(SVR, 0x1ff);
    ap_started++;
    agree();
    for (;;)
        __asm__ volatile("hlt");
}

static void several(void)
{
    ncpus = count_processors();
    ncpus = ncpus > MAX ? MAX : ncpus;
    if (ncpus < 2) {
        skip("processors agree: there is one");
        return;
    }
    set(SVR, 0x1ff);
    ap_start_all(ncpus, stacks[1], sizeof(stacks[0]));
    agree();
    check("no processor's clock is behind another's", back, 0);
}

static bool has_adjust(void)
{
    uint32_t id[4];

    cpuid(0, id);
    if (id[0] < 7)
        return false;
    cpuid(7, id);
    return id[1] >> 1 & 1;
}

void guest_main(void)
{
    if (!offered()) {
        absent();
        return;
    }
    registers();
    runs();
    if (has_adjust()) {
        moves(ADJUST, "TSC_ADJUST moves the counter and not the clock", FAR);
        moves(ADJUST, "back, too", 0);
    } else {
        skip("TSC_ADJUST: there is none");
    }
    moves(TSC, "a write of the counter does not move the clock", rdtsc() + FAR);
    stops();
    dates();
    several();
}
