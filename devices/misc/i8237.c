/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "devices/misc/i8237.h"

#include <assert.h>
#include <string.h> /* memset */

#include "vm/machine.h" /* struct machine */

/* 8237A pair. A transfer takes no time: a request is served until the client has no more, or the
 * terminal count. A channel that initializes itself (auto-initialize) and whose DREQ is still
 * active then goes on after the time the transfer would have taken on the bus, so that a client
 * that always has data cannot hold the machine.
 *
 * Registers are 16 addresses of a chip: those of the second chip are two ports apart.
 *
 * Not modelled: timing (compressed, extended write), the sense of DREQ and DACK (clients say what
 * they mean). The PC/AT cannot do memory-to-memory on the second chip: its channel 0 cascades. */

enum {
    REG_COMMAND = 8, /* read: status */
    REG_REQUEST = 9,
    REG_SINGLE_MASK = 10,
    REG_MODE = 11,
    REG_CLEAR_FLIP_FLOP = 12,
    REG_MASTER_CLEAR = 13, /* read: temporary */
    REG_CLEAR_MASK = 14,
    REG_ALL_MASK = 15,
};

enum {
    COMMAND_MEM_TO_MEM = 0x01,
    COMMAND_HOLD_CH0 = 0x02,
    COMMAND_DISABLE = 0x04,
    COMMAND_ROTATE = 0x10,
    MODE_TRANSFER = 0x0c,
    MODE_WRITE = 0x04,
    MODE_READ = 0x08,
    MODE_AUTOINIT = 0x10,
    MODE_DECREMENT = 0x20,
    MODE_SELECT = 0xc0,
    MODE_DEMAND = 0x00,
    MODE_BLOCK = 0x80,
    MODE_CASCADE = 0xc0,
    MODE_STORED = 0xfc,
    CASCADE = 0, /* of the second chip */
};

#define NS_PER_UNIT 1000u /* about four clocks of 4.77 MHz */

/* ---- one channel ---- */

static unsigned unit_of(unsigned chip)
{
    return 1 + chip;
}

static bool block_mode(const struct i8237_channel *ch)
{
    return (ch->mode & MODE_SELECT) == MODE_BLOCK;
}

/* Where the current address is in memory. Page bit 0 is not connected on 16-bit channels. */
static uint64_t memory_address(const struct i8237_channel *ch, unsigned unit)
{
    if (unit == 1)
        return (uint64_t)ch->page << 16 | ch->address;
    return (uint64_t)(ch->page & 0xfe) << 16 | (uint64_t)ch->address << 1;
}

/* Current registers past `units` units, which are not more than are left. True if that was the last
 * of them: the count has gone from 0 to FFFFh. */
static bool step(struct i8237_channel *ch, unsigned units)
{
    bool end = units > ch->count;

    ch->address = (uint16_t)(ch->mode & MODE_DECREMENT ? ch->address - units : ch->address + units);
    ch->count = (uint16_t)(ch->count - units);
    if (end && (ch->mode & MODE_AUTOINIT)) {
        ch->address = ch->base_address;
        ch->count = ch->base_count;
    }
    return end;
}

/* The same with the terminal count's consequences. */
static bool advance(struct i8237_chip *c, unsigned n, unsigned units)
{
    uint8_t bit = (uint8_t)(1u << n);

    if (!step(&c->ch[n], units))
        return false;
    c->tc |= bit;
    c->request &= (uint8_t)~bit;
    if (!(c->ch[n].mode & MODE_AUTOINIT))
        c->mask |= bit;
    return true;
}

/* Moves units between buf, in the order of time, and memory. The address is of 16 bits: it wraps.
 */
static void access_memory(struct i8237 *d, struct i8237_channel at, unsigned unit, uint8_t *buf,
                          size_t len, bool write)
{
    for (size_t i = 0; i < len; i += unit) {
        if (write)
            address_space_write_block(d->mem, memory_address(&at, unit), buf + i, unit);
        else
            address_space_read_block(d->mem, memory_address(&at, unit), buf + i, unit);
        at.address = (uint16_t)(at.mode & MODE_DECREMENT ? at.address - 1 : at.address + 1);
    }
}

static enum i8237_direction direction(const struct i8237_channel *ch)
{
    switch (ch->mode & MODE_TRANSFER) {
    case MODE_WRITE:
        return I8237_TO_MEMORY;
    case MODE_READ:
        return I8237_FROM_MEMORY;
    default: /* 11 is illegal */
        return I8237_VERIFY;
    }
}

static size_t ask_client(struct i8237 *d, unsigned channel, enum i8237_direction dir, uint8_t *buf,
                         size_t len, bool last)
{
    const struct i8237_client *client = &d->clients[channel];
    size_t unit = unit_of(channel >> 2), moved;

    if (!client->transfer)
        return 0;
    moved = client->transfer(client->opaque, dir, buf, len, last);
    return (moved < len ? moved : len) / unit * unit;
}

/* One call of the client. Returns the units moved. */
static unsigned transfer_chunk(struct i8237 *d, unsigned chip, unsigned n)
{
    struct i8237_channel *ch = &d->chip[chip].ch[n];
    unsigned unit = unit_of(chip), left = ch->count + 1u;
    unsigned units = left < I8237_CHUNK / unit ? left : I8237_CHUNK / unit;
    size_t len = (size_t)units * unit, moved;
    enum i8237_direction dir = direction(ch);
    uint8_t buf[I8237_CHUNK];

    memset(buf, 0xff, sizeof(buf));
    if (dir == I8237_FROM_MEMORY)
        access_memory(d, *ch, unit, buf, len, false);
    moved = ask_client(d, chip * 4 + n, dir, buf, len, units == left);
    if (moved < len)
        d->chip[chip].dreq &= (uint8_t) ~(1u << n);
    if (block_mode(ch))
        moved = len;
    if (dir == I8237_TO_MEMORY)
        access_memory(d, *ch, unit, buf, moved, true);
    return (unsigned)(moved / unit);
}

/* By its client, or, in block mode, by software, which no mask stops. */
static bool requested(const struct i8237_chip *c, unsigned n)
{
    return (c->dreq & ~c->mask) >> n & 1 || (c->request >> n & 1 && block_mode(&c->ch[n]));
}

/* Until the client has no more, or the terminal count, which is at most 64 Ki units away. Returns
 * how many units that were. */
static unsigned serve_channel(struct i8237 *d, unsigned chip, unsigned n)
{
    struct i8237_chip *c = &d->chip[chip];
    bool block = block_mode(&c->ch[n]), end = false;
    unsigned total = 0;

    while (!end && (block || requested(c, n))) {
        unsigned units = transfer_chunk(d, chip, n);

        if (!units)
            break;
        end = advance(c, n, units);
        total += units;
    }
    if (c->command & COMMAND_ROTATE)
        c->lowest = (uint8_t)n;
    return total;
}

/* Channel 0 to channel 1 through the temporary register, started by a request of channel 0 by
 * software; the count is channel 1's (datasheet, "Memory-to-Memory"). Returns the units moved. */
static unsigned memory_to_memory(struct i8237 *d)
{
    struct i8237_chip *c = &d->chip[0];
    bool hold = c->command & COMMAND_HOLD_CH0, end;
    unsigned total = 0;

    do {
        uint16_t source = c->ch[0].address;

        access_memory(d, c->ch[0], 1, &c->temporary, 1, false);
        access_memory(d, c->ch[1], 1, &c->temporary, 1, true);
        step(&c->ch[0], 1); /* channel 0's count ends nothing */
        if (hold)
            c->ch[0].address = source;
        end = advance(c, 1, 1);
        total++;
    } while (!end);
    c->request &= 0xfe;
    return total;
}

/* ---- who is next ---- */

/* The first chip gets the bus through the second. */
static bool chip_enabled(const struct i8237 *d, unsigned chip)
{
    const struct i8237_chip *first = &d->chip[1];

    if (d->chip[chip].command & COMMAND_DISABLE)
        return false;
    return chip == 1 || (!(first->command & COMMAND_DISABLE) && !(first->mask >> CASCADE & 1) &&
                         (first->ch[CASCADE].mode & MODE_SELECT) == MODE_CASCADE);
}

static bool wants_copy(const struct i8237 *d, unsigned chip, unsigned n)
{
    const struct i8237_chip *c = &d->chip[chip];

    return chip == 0 && n == 0 && (c->command & COMMAND_MEM_TO_MEM) && (c->request & 1);
}

static bool wants_service(const struct i8237 *d, unsigned chip, unsigned n)
{
    const struct i8237_chip *c = &d->chip[chip];

    return chip_enabled(d, chip) && (c->ch[n].mode & MODE_SELECT) != MODE_CASCADE &&
           (requested(c, n) || wants_copy(d, chip, n));
}

/* Each channel once, by priority. */
static unsigned serve_chip(struct i8237 *d, unsigned chip)
{
    const struct i8237_chip *c = &d->chip[chip];
    unsigned first = c->command & COMMAND_ROTATE ? c->lowest + 1u : 0;
    unsigned total = 0;

    for (unsigned i = 0; i < 4; i++) {
        unsigned n = (first + i) & 3;

        if (wants_service(d, chip, n))
            total += wants_copy(d, chip, n) ? memory_to_memory(d) : serve_channel(d, chip, n);
    }
    return total;
}

/* The first chip sits at channel 0 of the second, so it comes first. What is requested after that
 * waits for as long as the bus would have been busy. */
static void serve(struct i8237 *d)
{
    uint64_t units;
    bool more = false;

    if (d->serving)
        return;
    d->serving = true;
    units = serve_chip(d, 0);
    units += serve_chip(d, 1);
    d->serving = false;
    for (unsigned i = 0; i < 8; i++)
        more |= wants_service(d, i >> 2, i & 3);
    if (more)
        vm_timer_arm(&d->again, vm_clock_now(&d->dev.m->clock) + (units + 1) * NS_PER_UNIT);
    else
        vm_timer_cancel(&d->again);
}

static void serve_again(void *opaque)
{
    serve(opaque);
}

void i8237_attach(struct i8237 *d, unsigned channel, struct i8237_client client)
{
    assert(channel < 8 && channel != 4);
    d->clients[channel] = client;
}

void i8237_request(struct i8237 *d, unsigned channel, bool active)
{
    struct i8237_chip *c = &d->chip[channel >> 2 & 1];
    uint8_t bit = (uint8_t)(1u << (channel & 3));

    c->dreq = active ? c->dreq | bit : c->dreq & (uint8_t)~bit;
    if (active)
        serve(d);
}

/* ---- registers ---- */

/* Also the state after the reset pin (datasheet, "Master Clear"). */
static void master_clear(struct i8237_chip *c)
{
    c->command = c->request = c->temporary = c->tc = 0;
    c->msb = false;
    c->mask = 0x0f;
}

static uint8_t read_half(struct i8237_chip *c, uint16_t value)
{
    c->msb = !c->msb;
    return (uint8_t)(c->msb ? value : value >> 8);
}

static uint16_t write_half(struct i8237_chip *c, uint16_t old, uint8_t value)
{
    c->msb = !c->msb;
    return (uint16_t)(c->msb ? (old & 0xff00) | value : (old & 0x00ff) | value << 8);
}

static uint8_t read_status(struct i8237_chip *c)
{
    uint8_t v = (uint8_t)(c->tc | (c->dreq | c->request) << 4);

    c->tc = 0;
    return v;
}

static uint8_t read_register(struct i8237_chip *c, unsigned reg)
{
    const struct i8237_channel *ch = &c->ch[reg >> 1 & 3];

    if (reg < REG_COMMAND)
        return read_half(c, reg & 1 ? ch->count : ch->address);
    switch (reg) {
    case REG_COMMAND:
        return read_status(c);
    case REG_MASTER_CLEAR:
        return c->temporary;
    case REG_ALL_MASK: /* the PIIX3's can be read */
        return c->mask;
    default:
        return 0xff;
    }
}

/* Base and current register together. */
static void write_channel(struct i8237_chip *c, unsigned reg, uint8_t value)
{
    struct i8237_channel *ch = &c->ch[reg >> 1 & 3];

    if (reg & 1) {
        ch->base_count = write_half(c, ch->base_count, value);
        c->msb = !c->msb;
        ch->count = write_half(c, ch->count, value);
    } else {
        ch->base_address = write_half(c, ch->base_address, value);
        c->msb = !c->msb;
        ch->address = write_half(c, ch->address, value);
    }
}

static void write_bit(uint8_t *bits, uint8_t value)
{
    uint8_t bit = (uint8_t)(1u << (value & 3));

    *bits = value & 4 ? *bits | bit : *bits & (uint8_t)~bit;
}

static void write_register(struct i8237_chip *c, unsigned reg, uint8_t value)
{
    switch (reg) {
    case REG_COMMAND:
        c->command = value;
        break;
    case REG_REQUEST:
        write_bit(&c->request, value);
        break;
    case REG_SINGLE_MASK:
        write_bit(&c->mask, value);
        break;
    case REG_MODE:
        c->ch[value & 3].mode = value & MODE_STORED;
        break;
    case REG_CLEAR_FLIP_FLOP:
        c->msb = false;
        break;
    case REG_MASTER_CLEAR:
        master_clear(c);
        break;
    case REG_CLEAR_MASK:
        c->mask = 0;
        break;
    case REG_ALL_MASK:
        c->mask = value & 0x0f;
        break;
    default:
        write_channel(c, reg, value);
        break;
    }
}

static void write_chip(struct i8237 *d, unsigned chip, unsigned reg, uint8_t value)
{
    write_register(&d->chip[chip], reg, value);
    if (chip == 1 && (d->chip[1].command & COMMAND_MEM_TO_MEM) && reg == REG_COMMAND)
        log_line(&d->dev.m->log, LOG_UNIMP, "i8237: memory-to-memory on the second controller");
    if (reg >= REG_COMMAND && reg != REG_CLEAR_FLIP_FLOP)
        serve(d);
}

static uint64_t low_read(void *opaque, uint64_t offset, unsigned size)
{
    struct i8237 *d = opaque;

    (void)size;
    return read_register(&d->chip[0], offset & 15);
}

static void low_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    (void)size;
    write_chip(opaque, 0, offset & 15, (uint8_t)value);
}

static uint64_t high_read(void *opaque, uint64_t offset, unsigned size)
{
    struct i8237 *d = opaque;

    (void)size;
    return read_register(&d->chip[1], offset >> 1 & 15);
}

static void high_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    (void)size;
    write_chip(opaque, 1, offset >> 1 & 15, (uint8_t)value);
}

/* ---- page registers: port 0x80 + index; 0x80 itself is the POST code's ---- */

static uint8_t *page_register(struct i8237 *d, unsigned index)
{
    switch (index) {
    case 0x1:
        return &d->chip[0].ch[2].page;
    case 0x2:
        return &d->chip[0].ch[3].page;
    case 0x3:
        return &d->chip[0].ch[1].page;
    case 0x7:
        return &d->chip[0].ch[0].page;
    case 0x9:
        return &d->chip[1].ch[2].page;
    case 0xa:
        return &d->chip[1].ch[3].page;
    case 0xb:
        return &d->chip[1].ch[1].page;
    case 0xf: /* refresh */
        return &d->chip[1].ch[0].page;
    default:
        return &d->scratch[index & 15];
    }
}

static uint64_t page_read(void *opaque, uint64_t offset, unsigned size)
{
    (void)size;
    return *page_register(opaque, (unsigned)offset + 1);
}

static void page_write(void *opaque, uint64_t offset, uint64_t value, unsigned size)
{
    (void)size;
    *page_register(opaque, (unsigned)offset + 1) = (uint8_t)value;
}

/* ---- life ---- */

/* Addresses, counts and modes are undefined after reset: here they are zero. DREQ is the clients'
 * to drop. */
static void reset(struct device *dev)
{
    struct i8237 *d = (struct i8237 *)dev;

    for (unsigned i = 0; i < 2; i++) {
        memset(d->chip[i].ch, 0, sizeof(d->chip[i].ch));
        d->chip[i].lowest = 3;
        master_clear(&d->chip[i]);
    }
    memset(d->scratch, 0, sizeof(d->scratch));
    vm_timer_cancel(&d->again);
}

static const struct state_field channel_fields[] = {
    STATE_U16(struct i8237_channel, base_address),
    STATE_U16(struct i8237_channel, base_count),
    STATE_U16(struct i8237_channel, address),
    STATE_U16(struct i8237_channel, count),
    STATE_U8(struct i8237_channel, mode),
    STATE_U8(struct i8237_channel, page),
    STATE_FIELDS_END,
};

static const struct state_field chip_fields[] = {
    STATE_STRUCTS(struct i8237_chip, ch, 4, struct i8237_channel, channel_fields),
    STATE_U8(struct i8237_chip, command),
    STATE_U8_MAX(struct i8237_chip, mask, 15),
    STATE_U8_MAX(struct i8237_chip, request, 15),
    STATE_U8_MAX(struct i8237_chip, dreq, 15),
    STATE_U8_MAX(struct i8237_chip, tc, 15),
    STATE_U8(struct i8237_chip, temporary),
    STATE_U8_MAX(struct i8237_chip, lowest, 3),
    STATE_BOOL(struct i8237_chip, msb),
    STATE_FIELDS_END,
};

static const struct state_field fields[] = {
    STATE_STRUCTS(struct i8237, chip, 2, struct i8237_chip, chip_fields),
    STATE_BYTES(struct i8237, scratch),
    STATE_TIMER(struct i8237, again),
    STATE_FIELDS_END,
};

static const struct device_class class = {
    .type = "i8237", .version = 1, .fields = fields, .reset = reset};

void i8237_init(struct i8237 *d, struct machine *m, const char *id)
{
    static const struct region_ops low_ops = {
        .read = low_read, .write = low_write, .min_size = 1, .max_size = 1};
    static const struct region_ops high_ops = {
        .read = high_read, .write = high_write, .min_size = 1, .max_size = 1};
    static const struct region_ops page_ops = {
        .read = page_read, .write = page_write, .min_size = 1, .max_size = 1};

    *d = (struct i8237){.mem = &m->mem};
    device_init(&d->dev, m, &class, id);
    vm_timer_init(&d->again, &m->clock, serve_again, d);
    region_init_device(&d->low, "i8237-0", 0x10, &low_ops, d);
    region_init_device(&d->pages, "dma-page", 0x0f, &page_ops, d);
    region_init_device(&d->high, "i8237-1", 0x20, &high_ops, d);
    region_add(&m->io, &d->low, 0x00, 0);
    region_add(&m->io, &d->pages, 0x81, 0);
    region_add(&m->io, &d->high, 0xc0, 0);
    reset(&d->dev);
}
