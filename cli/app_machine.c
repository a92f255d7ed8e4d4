/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What the options mean for the machine: its configuration, and the machine. */
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/error.h"
#include "cli/app.h"
#include "cli/cmdline_drives.h"
#include "cli/cmdline_net.h"
#include "cli/cmdline_record.h"
#include "cli/cmdline_services.h"
#include "cli/engine_choice.h"
#include "cli/recording.h"
#include "cpu/x86/report.h"
#include "host/block/drive.h"
#include "host/net/backend.h"
#include "machines/vga_font.h"

/* What a triple fault's report will show: all, if that was asked for by name. */
static bool keep_histories(struct app *app)
{
    struct machine *m = &app->pc.m;
    bool whole = app->settings.triple_fault == TRIPLE_FAULT_REPORT;

    for (unsigned i = 0; i < m->ncpus && app->config.triple_fault_ends; i++)
        if (!report_keep_history(cpu_of(m->cpus[i]), whole))
            return false;
    return true;
}

/* There is something that a BIOS could boot. */
static bool has_disk(const struct settings *s)
{
    for (struct blockdev *b = s->drives ? drive_next(s->drives, NULL) : NULL; b;
         b = drive_next(s->drives, b))
        if (blockdev_has_medium(b))
            return true;
    return s->ndisks != 0;
}

/* Our own BIOS, where make install or make puts it; NULL: in neither place. */
static const char *find_own_bios(struct app *app)
{
    static const char *const places[] = {"../share/calque/bios.bin", "../../roms/bios.bin"};
    char program[2048];
    ssize_t n = readlink("/proc/self/exe", program, sizeof(program) - 1);

    if (n < 0)
        return NULL;
    program[n] = 0;
    for (unsigned i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        snprintf(app->own_bios, sizeof(app->own_bios), "%.*s%s",
                 (int)(strrchr(program, '/') + 1 - program), program, places[i]);
        if (access(app->own_bios, R_OK) == 0)
            return app->own_bios;
    }
    return NULL;
}

/* The BIOS of the display adapter is that of romfile=, or the one next to -bios. */
static const char *find_vga_rom(struct app *app)
{
    const struct settings *s = &app->settings;
    const char *slash = s->bios ? strrchr(s->bios, '/') : NULL;

    if (s->vga_rom_given)
        return *s->vga_rom ? s->vga_rom : NULL;
    if (!s->bios)
        return NULL;
    for (unsigned i = 0; i < 2; i++) {
        snprintf(app->vga_rom, sizeof(app->vga_rom), "%.*s%s",
                 slash ? (int)(slash - s->bios + 1) : 0, s->bios,
                 i ? "vgabios.bin" : "vgabios-stdvga.bin"); /* ours, SeaBIOS's */
        if (access(app->vga_rom, R_OK) == 0)
            return app->vga_rom;
    }
    return NULL;
}

static void configure_vga(struct app *app)
{
    const struct settings *s = &app->settings;
    struct pc_config *c = &app->config;

    c->vga = settings_have_vga(s);
    c->vga_place = s->vga_place;
    c->vga_place.type = "VGA";
    c->vga_place.order = 0; /* slot 2, if it is free */
    c->vga_memory = s->vga_memory;
    c->vga_xres = (uint16_t)s->vga_xres;
    c->vga_yres = (uint16_t)s->vga_yres;
    c->vga_rom = c->vga ? find_vga_rom(app) : NULL;
    c->vga_font = vga_font_8x16();
}

static void open_display(struct app *app)
{
    struct display_source source = stdvga_source(&app->pc.vga);

    if (app->config.vga)
        display_init(&app->display, &app->pc.m, &source);
}

/* -machine memory-backend=ID: guest memory is one memfd, as a back end of that size would be. */
static bool check_memory_backend(const struct settings *s, struct error *err)
{
    if (!s->memory_backend)
        return true;
    for (unsigned i = 0; i < s->nobjects; i++) {
        const struct object_setting *o = &s->objects[i];

        if (strcmp(o->id, s->memory_backend) != 0)
            continue;
        return (o->size && o->size == s->ram_size) ||
               error_set(err, "-machine memory-backend=%s: its size is not that of -m", o->id);
    }
    return error_set(err, "-machine memory-backend=%s: no -object has this id", s->memory_backend);
}

static void parse_uuid_bytes(const char *text, uint8_t out[16])
{
    unsigned n = 0;

    for (; *text && n < 32; text++)
        if (*text != '-') {
            unsigned digit =
                *text <= '9' ? (unsigned)*text - '0' : ((unsigned)*text | 32) - 'a' + 10;

            out[n / 2] = (uint8_t)(n % 2 ? out[n / 2] | digit : digit << 4);
            n++;
        }
}

/* -uuid comes first: -smbios type=1,uuid= has the last word. */
static bool set_identity(struct app *app, struct error *err)
{
    const struct settings *s = &app->settings;
    char text[80];

    if (s->uuid) {
        snprintf(text, sizeof(text), "type=1,uuid=%s", s->uuid);
        if (!smbios_parse(&app->smbios, text, err))
            return false;
        parse_uuid_bytes(s->uuid, app->uuid);
        app->config.uuid = app->uuid;
    }
    for (unsigned i = 0; i < s->nsmbios; i++)
        if (!smbios_parse(&app->smbios, s->smbios[i], err))
            return false;
    app->config.smbios = &app->smbios;
    return true;
}

static void set_boot(struct app *app)
{
    const struct settings *s = &app->settings;
    struct pc_config *c = &app->config;

    c->boot.order = s->boot.order;
    c->boot.once = s->boot.once;
    c->boot.menu = s->boot.menu;
    c->boot.strict = s->boot.strict;
    c->boot.has_splash_time = s->boot.has_splash_time;
    c->boot.splash_time = (uint16_t)s->boot.splash_time;
    c->boot.has_reboot_timeout = s->boot.has_reboot_timeout;
    c->boot.reboot_timeout = (uint16_t)s->boot.reboot_timeout;
    c->rtc_base = (struct pc_clock){
        .localtime = s->rtc.localtime, .has_date = s->rtc.has_date, .date = s->rtc.date};
    c->kernel = s->kernel;
    c->initrd = s->initrd;
    c->append = s->append;
    c->bios = s->bios;
}

static void set_devices(struct app *app)
{
    const struct settings *s = &app->settings;
    struct pc_config *c = &app->config;

    c->debug_exit_port = s->debug_exit ? (uint16_t)s->debug_exit_iobase : 0;
    c->debug_exit_size = (unsigned)s->debug_exit_iosize;
    c->pc_testdev = s->pc_testdev;
    c->pci_testdev = s->pci_testdev;
    c->pci_testdev_membar = s->pci_testdev_membar;
    c->no_hpet = s->no_hpet;
    c->tablet = s->tablet;
    c->tablet_place = s->tablet_place;
    memcpy(c->bridges, s->bridges, sizeof(c->bridges));
    c->nbridges = s->nbridges;
    c->pci_testdev_place = s->pci_testdev_place;
    /* What a device does to registers, lockstep does not see. */
    c->no_vmport = s->no_vmport || s->translator.lockstep;
}

/* The -audiodev that the speaker is heard at: that of -machine, or the first. */
static const struct audio_config *speaker_audio(const struct settings *s)
{
    for (unsigned i = 0; i < s->naudiodevs; i++)
        if (!s->pcspk_audiodev || !strcmp(s->audiodevs[i].id, s->pcspk_audiodev))
            return &s->audiodevs[i].config;
    return NULL;
}

/* A window has sound where there is some, and does without otherwise. */
static bool open_audio(struct app *app, struct error *err)
{
    const struct settings *s = &app->settings;
    const struct audio_config *config = speaker_audio(s), window = {AUDIO_SDL, NULL};
    struct error none;

    if (s->replay && config && !s->recorded_speaker)
        return error_set(err, "-audiodev: the machine of the recording had no sound");
    app->config.unheard = s->replay && s->recorded_speaker;
    if (s->pcspk_audiodev && !config)
        return error_set(err, "-machine pcspk-audiodev=%s: no -audiodev has this id",
                         s->pcspk_audiodev);
    if (config && !audio_open(config, &app->config.audio, err)) {
        error_prefix(err, "-audiodev");
        return false;
    }
    if (!config && s->display == UI_SDL && audio_have_sound() &&
        (!s->replay || s->recorded_speaker))
        audio_open(&window, &app->config.audio, &none);
    return !app->config.audio || record_remember_speaker(&app->settings, err);
}

/* A network card that may be booted from. */
static bool has_rom(const struct pc_net_config *c)
{
    bool any = false;

    for (unsigned n = 0; n < c->nnics; n++)
        any |= c->nics[n].rom != NULL;
    return any;
}

static bool build_pc(struct app *app, struct error *err)
{
    const struct settings *s = &app->settings;
    struct pc_config *c = &app->config;

    if (!drives_resolve(&app->settings, &c->storage, err) ||
        !net_resolve(&app->settings, app->nets, &c->net, err) ||
        !services_resolve(&app->settings, &app->poller, app->chardevs, &c->services, err))
        return false;
    if (!s->kernel && !s->bios && !c->storage.flash[0] && (has_disk(s) || has_rom(&c->net)))
        app->settings.bios = find_own_bios(app);
    if (!s->kernel && !s->bios && !c->storage.flash[0])
        return error_set(err, "nothing to boot: -kernel FILE or -bios FILE is expected; "
                              "see calque --help");
    c->ram_size = s->ram_size;
    c->ncpus = (unsigned)s->smp.cpus;
    app->cpus.model.topology = (struct cpu_topology){.sockets = (uint16_t)s->smp.sockets,
                                                     .cores = (uint16_t)s->smp.cores,
                                                     .threads = (uint16_t)s->smp.threads};
    set_boot(app);
    set_devices(app);
    configure_vga(app);
    if (!open_audio(app, err) || !set_identity(app, err) || !check_memory_backend(s, err))
        return false;
    c->no_reboot = s->no_reboot;
    c->triple_fault_ends = settings_report_triple_fault(s);
    c->icount = s->icount;
    c->icount_shift = (unsigned)s->icount_shift;
    c->icount_auto = s->icount_auto;
    c->create_cpus = pc_cpus_create;
    c->create_cpus_opaque = &app->cpus;
    app->cpus.threads = engine_has_cpu_threads(s);
    if (s->cpu_threads && !app->cpus.threads)
        return error_set(err, "-accel thread=multi: CPUs take turns with -icount, a recording, "
                              "or lockstep, and on hosts that are not x86-64");
    if (!pc_init(&app->pc, c, err))
        return false;
    app->pc_built = true;
    if (s->has_seed)
        machine_seed(&app->pc.m, s->seed);
    nets_start(app->nets, &app->pc.m);
    services_start(&app->pc);
    open_display(app);
    return keep_histories(app) || error_set(err, "out of memory");
}

/* -machine none: only what there is to be asked about. */
static bool build_none(struct app *app, struct error *err)
{
    if (app->settings.kernel || app->settings.bios)
        return error_set(err, "-machine none: there is nothing that could boot");
    app->pc_built = machine_init(&app->pc.m, 0, 0, err);
    return app->pc_built;
}

static void notify(void *opaque)
{
    poller_wake(opaque);
}

static void on_kicks(void *opaque, short revents)
{
    struct app *app = opaque;

    (void)revents;
    machine_take_kicks(&app->pc.m);
}

bool app_build_machine(struct app *app, struct error *err)
{
    struct machine *m = &app->pc.m;

    if (!(app->settings.machine_none ? build_none(app, err) : build_pc(app, err)))
        return false;
    m->log = app->log; /* moved: the machine closes it */
    log_init(&app->log);
    m->run.notify = notify;
    m->run.notify_opaque = &app->poller;
    m->run.no_shutdown = app->settings.no_shutdown;
    if (!app->settings.dump_guest_core)
        madvise(m->arena.host, m->arena.capacity, MADV_DONTDUMP);
    if (!poller_add(&app->poller, &app->kicks, -1, POLLIN, on_kicks, app))
        return error_set(err, "out of memory");
    return app_start_monitors(app, err) &&
           (app->settings.machine_none ||
            (engine_start(&app->engines, m, &app->settings, err) && pc_power_on(&app->pc, err) &&
             recording_begin(m, &app->settings, err)));
}

void app_press_power_button(void *opaque)
{
    struct app *app = opaque;

    piix4_pm_press_power_button(&app->pc.pm);
}

void app_request_quit(void *opaque)
{
    struct app *app = opaque;

    app->quit = true;
    poller_wake(&app->poller);
}
