/* SPDX-License-Identifier: GPL-2.0-or-later */
/* A window by SDL2. Everything of SDL happens in one thread; keys go by position (scan code), so
 * that the guest's keyboard layout is the guest's affair.
 *
 *   Ctrl-Alt-F  full screen and back        Ctrl-Alt-G  gives the pointer to the guest and back
 *   Ctrl-Alt-S  screenshot into this folder Ctrl-Alt-V  types the clipboard
 *   Ctrl-Alt-U  the window as large as the picture
 *   Ctrl-Alt-+ and -  larger, smaller
 *
 * The window is as large as the picture, unless a person made it another size; then the picture is
 * scaled to it. Closing the window presses the power button; closing it again within a few seconds
 * asks. What happened a person reads in the title. */
#include "host/ui/sdl.h"

#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>

#include "base/error.h"
#include "base/options.h"
#include "config.h"
#include "host/ui/banner.h"
#include "host/ui/display.h"
#include "host/ui/hid.h"
#include "host/ui/keymap.h"
#include "host/ui/keys.h"
#include "host/ui/picture.h"

#if CONFIG_SDL2

#include <SDL.h>

#define FRAME_MS     16
#define TITLE_MS     500
#define NOTICE_MS    5000
#define ASK_AFTER_MS 10000 /* a second attempt to close within this time asks */

struct sdl {
    struct ui_config config;
    struct display *display;
    struct hid *hid;
    const struct keymap *keymap;
    bool full_screen, smooth, integer;
    pthread_t thread;
    bool running;
    atomic_bool quit;
    pthread_mutex_t lock; /* of `started`, `asking` and `left` */
    pthread_cond_t cond;
    int started; /* 1: the window is there; -1: it is not */
    bool asking; /* the thread waits for an answer, */
    bool left;   /* and the machine is gone meanwhile */
    struct error why;
    /* Of the thread */
    struct viewer viewer;
    SDL_Window *window;
    SDL_Renderer *renderer;
    SDL_Texture *texture;
    bool grabbed, redraw;
    bool own_size; /* the window has the size that a person gave it, and not this one: */
    int auto_width, auto_height;
    bool pointer_hidden;
    uint32_t closed_at, titled_at;
    char notice[80]; /* what the title says, until: */
    uint32_t notice_until;
    char hint[80]; /* the same in full screen, where no title is seen: on top of the picture */
    uint32_t hint_until;
    SDL_Texture *banner; /* of the hint; NULL: none is shown */
    char *paste;         /* what is being typed, and what of it is left */
    const char *paste_left;
    uint8_t held[SDL_NUM_SCANCODES]; /* keys that the guest believes to be down */
};

/* Set 1 codes by SDL's scan codes, which are USB's usages (HID Usage Tables, Keyboard page). */
static const uint16_t codes[] = {
    [SDL_SCANCODE_A] = 0x1e,
    [SDL_SCANCODE_B] = 0x30,
    [SDL_SCANCODE_C] = 0x2e,
    [SDL_SCANCODE_D] = 0x20,
    [SDL_SCANCODE_E] = 0x12,
    [SDL_SCANCODE_F] = 0x21,
    [SDL_SCANCODE_G] = 0x22,
    [SDL_SCANCODE_H] = 0x23,
    [SDL_SCANCODE_I] = 0x17,
    [SDL_SCANCODE_J] = 0x24,
    [SDL_SCANCODE_K] = 0x25,
    [SDL_SCANCODE_L] = 0x26,
    [SDL_SCANCODE_M] = 0x32,
    [SDL_SCANCODE_N] = 0x31,
    [SDL_SCANCODE_O] = 0x18,
    [SDL_SCANCODE_P] = 0x19,
    [SDL_SCANCODE_Q] = 0x10,
    [SDL_SCANCODE_R] = 0x13,
    [SDL_SCANCODE_S] = 0x1f,
    [SDL_SCANCODE_T] = 0x14,
    [SDL_SCANCODE_U] = 0x16,
    [SDL_SCANCODE_V] = 0x2f,
    [SDL_SCANCODE_W] = 0x11,
    [SDL_SCANCODE_X] = 0x2d,
    [SDL_SCANCODE_Y] = 0x15,
    [SDL_SCANCODE_Z] = 0x2c,
    [SDL_SCANCODE_1] = 0x02,
    [SDL_SCANCODE_2] = 0x03,
    [SDL_SCANCODE_3] = 0x04,
    [SDL_SCANCODE_4] = 0x05,
    [SDL_SCANCODE_5] = 0x06,
    [SDL_SCANCODE_6] = 0x07,
    [SDL_SCANCODE_7] = 0x08,
    [SDL_SCANCODE_8] = 0x09,
    [SDL_SCANCODE_9] = 0x0a,
    [SDL_SCANCODE_0] = 0x0b,
    [SDL_SCANCODE_RETURN] = 0x1c,
    [SDL_SCANCODE_ESCAPE] = 0x01,
    [SDL_SCANCODE_BACKSPACE] = 0x0e,
    [SDL_SCANCODE_TAB] = 0x0f,
    [SDL_SCANCODE_SPACE] = 0x39,
    [SDL_SCANCODE_MINUS] = 0x0c,
    [SDL_SCANCODE_EQUALS] = 0x0d,
    [SDL_SCANCODE_LEFTBRACKET] = 0x1a,
    [SDL_SCANCODE_RIGHTBRACKET] = 0x1b,
    [SDL_SCANCODE_BACKSLASH] = 0x2b,
    [SDL_SCANCODE_NONUSHASH] = 0x2b,
    [SDL_SCANCODE_SEMICOLON] = 0x27,
    [SDL_SCANCODE_APOSTROPHE] = 0x28,
    [SDL_SCANCODE_GRAVE] = 0x29,
    [SDL_SCANCODE_COMMA] = 0x33,
    [SDL_SCANCODE_PERIOD] = 0x34,
    [SDL_SCANCODE_SLASH] = 0x35,
    [SDL_SCANCODE_CAPSLOCK] = 0x3a,
    [SDL_SCANCODE_F1] = 0x3b,
    [SDL_SCANCODE_F2] = 0x3c,
    [SDL_SCANCODE_F3] = 0x3d,
    [SDL_SCANCODE_F4] = 0x3e,
    [SDL_SCANCODE_F5] = 0x3f,
    [SDL_SCANCODE_F6] = 0x40,
    [SDL_SCANCODE_F7] = 0x41,
    [SDL_SCANCODE_F8] = 0x42,
    [SDL_SCANCODE_F9] = 0x43,
    [SDL_SCANCODE_F10] = 0x44,
    [SDL_SCANCODE_F11] = 0x57,
    [SDL_SCANCODE_F12] = 0x58,
    [SDL_SCANCODE_PRINTSCREEN] = 0xe037,
    [SDL_SCANCODE_SCROLLLOCK] = 0x46,
    [SDL_SCANCODE_PAUSE] = 0xe11d,
    [SDL_SCANCODE_INSERT] = 0xe052,
    [SDL_SCANCODE_HOME] = 0xe047,
    [SDL_SCANCODE_PAGEUP] = 0xe049,
    [SDL_SCANCODE_DELETE] = 0xe053,
    [SDL_SCANCODE_END] = 0xe04f,
    [SDL_SCANCODE_PAGEDOWN] = 0xe051,
    [SDL_SCANCODE_RIGHT] = 0xe04d,
    [SDL_SCANCODE_LEFT] = 0xe04b,
    [SDL_SCANCODE_DOWN] = 0xe050,
    [SDL_SCANCODE_UP] = 0xe048,
    [SDL_SCANCODE_NUMLOCKCLEAR] = 0x45,
    [SDL_SCANCODE_KP_DIVIDE] = 0xe035,
    [SDL_SCANCODE_KP_MULTIPLY] = 0x37,
    [SDL_SCANCODE_KP_MINUS] = 0x4a,
    [SDL_SCANCODE_KP_PLUS] = 0x4e,
    [SDL_SCANCODE_KP_ENTER] = 0xe01c,
    [SDL_SCANCODE_KP_1] = 0x4f,
    [SDL_SCANCODE_KP_2] = 0x50,
    [SDL_SCANCODE_KP_3] = 0x51,
    [SDL_SCANCODE_KP_4] = 0x4b,
    [SDL_SCANCODE_KP_5] = 0x4c,
    [SDL_SCANCODE_KP_6] = 0x4d,
    [SDL_SCANCODE_KP_7] = 0x47,
    [SDL_SCANCODE_KP_8] = 0x48,
    [SDL_SCANCODE_KP_9] = 0x49,
    [SDL_SCANCODE_KP_0] = 0x52,
    [SDL_SCANCODE_KP_PERIOD] = 0x53,
    [SDL_SCANCODE_NONUSBACKSLASH] = 0x56,
    [SDL_SCANCODE_APPLICATION] = 0xe05d,
    [SDL_SCANCODE_POWER] = 0xe05e,
    [SDL_SCANCODE_INTERNATIONAL1] = 0x73,
    [SDL_SCANCODE_INTERNATIONAL2] = 0x70,
    [SDL_SCANCODE_INTERNATIONAL3] = 0x7d,
    [SDL_SCANCODE_INTERNATIONAL4] = 0x79,
    [SDL_SCANCODE_INTERNATIONAL5] = 0x7b,
    [SDL_SCANCODE_KP_COMMA] = 0x7e,
    [SDL_SCANCODE_LCTRL] = 0x1d,
    [SDL_SCANCODE_LSHIFT] = 0x2a,
    [SDL_SCANCODE_LALT] = 0x38,
    [SDL_SCANCODE_LGUI] = 0xe05b,
    [SDL_SCANCODE_RCTRL] = 0xe01d,
    [SDL_SCANCODE_RSHIFT] = 0x36,
    [SDL_SCANCODE_RALT] = 0xe038,
    [SDL_SCANCODE_RGUI] = 0xe05c,
};

#define NUM_CODES (sizeof(codes) / sizeof(codes[0]))

/* ---- the title ---- */

static void end_hint(struct sdl *s)
{
    if (s->banner)
        SDL_DestroyTexture(s->banner);
    s->redraw |= s->banner != NULL;
    s->banner = NULL;
}

static void show_hint(struct sdl *s)
{
    unsigned w, h;
    uint32_t *pixels = banner_draw(s->config.font, s->hint, &w, &h);

    end_hint(s);
    s->banner = pixels ? SDL_CreateTexture(s->renderer, SDL_PIXELFORMAT_ARGB8888,
                                           SDL_TEXTUREACCESS_STATIC, (int)w, (int)h)
                       : NULL;
    if (s->banner) {
        SDL_UpdateTexture(s->banner, NULL, pixels, (int)(w * 4));
        SDL_SetTextureBlendMode(s->banner, SDL_BLENDMODE_BLEND);
    }
    free(pixels);
    s->hint_until = SDL_GetTicks() + NOTICE_MS;
    s->redraw = true;
}

/* In full screen a person reads what the title has to say when it begins to say it. */
static void set_hint(struct sdl *s, const char *text)
{
    if (!s->full_screen || !s->config.font || !*text) {
        s->hint[0] = '\0';
        end_hint(s);
    } else if (strcmp(s->hint, text) != 0) {
        snprintf(s->hint, sizeof(s->hint), "%s", text);
        show_hint(s);
    } else if (s->banner && (int32_t)(s->hint_until - SDL_GetTicks()) <= 0) {
        end_hint(s);
    }
}

/* Above in the middle, over the picture; in its pixels. */
static void draw_hint(struct sdl *s)
{
    int w, h, room, unused;
    SDL_Rect at;

    if (!s->banner || SDL_QueryTexture(s->banner, NULL, NULL, &w, &h))
        return;
    SDL_RenderGetLogicalSize(s->renderer, &room, &unused);
    at = (SDL_Rect){(room - w) / 2, 0, w, h};
    SDL_RenderCopy(s->renderer, s->banner, NULL, &at);
}

static void set_title(struct sdl *s)
{
    char status[64] = "", title[300];
    const char *more = s->grabbed ? "Ctrl-Alt-G releases the pointer" : "";

    if (s->paste)
        more = "typing the clipboard, Esc stops";
    else if (s->notice[0] && (int32_t)(s->notice_until - SDL_GetTicks()) > 0)
        more = s->notice;
    set_hint(s, more);
    s->config.hooks.status(s->config.hooks.opaque, status, sizeof(status));
    snprintf(title, sizeof(title), "%.100s (%s)%s%s", s->config.name ? s->config.name : "Calque",
             status, *more ? " - " : "", more);
    if (strcmp(SDL_GetWindowTitle(s->window), title) != 0)
        SDL_SetWindowTitle(s->window, title);
    s->titled_at = SDL_GetTicks();
}

__attribute__((format(printf, 3, 4))) static void notice(struct sdl *s, uint32_t ms,
                                                         const char *format, ...)
{
    va_list ap;

    va_start(ap, format);
    vsnprintf(s->notice, sizeof(s->notice), format, ap);
    va_end(ap);
    s->notice_until = SDL_GetTicks() + ms;
    set_title(s);
}

/* ---- the picture ---- */

static bool is_windowed(const struct sdl *s)
{
    return !s->full_screen && !(SDL_GetWindowFlags(s->window) & SDL_WINDOW_MAXIMIZED);
}

/* The window becomes as large as the picture, or as there is room for, in its proportions. */
static void fit_window(struct sdl *s)
{
    int w = (int)s->viewer.copy.width, h = (int)s->viewer.copy.height;
    SDL_Rect room;

    if (!w || !is_windowed(s))
        return;
    if (!SDL_GetDisplayUsableBounds(SDL_GetWindowDisplayIndex(s->window), &room)) {
        if (w > room.w) {
            h = h * room.w / w;
            w = room.w;
        }
        if (h > room.h) {
            w = w * room.h / h;
            h = room.h;
        }
    }
    s->own_size = false;
    s->auto_width = w;
    s->auto_height = h;
    SDL_SetWindowSize(s->window, w, h);
}

/* Rows and columns that a smaller window leaves out would be missing from the letters: there the
 * picture is scaled smoothly, whatever the person likes when it is enlarged. */
static void set_scaling(struct sdl *s)
{
    int w, h, pw = (int)s->viewer.copy.width, ph = (int)s->viewer.copy.height;

    if (!s->texture || SDL_GetRendererOutputSize(s->renderer, &w, &h))
        return;
    bool smaller = w < pw || h < ph;
    SDL_SetTextureScaleMode(s->texture,
                            s->smooth || smaller ? SDL_ScaleModeLinear : SDL_ScaleModeNearest);
    SDL_RenderSetIntegerScale(s->renderer, s->integer && !smaller);
    SDL_RenderSetLogicalSize(s->renderer, pw, ph);
    s->redraw = true;
}

static void on_window(struct sdl *s, const SDL_WindowEvent *e)
{
    s->redraw = true;
    if (e->event == SDL_WINDOWEVENT_RESIZED && is_windowed(s))
        s->own_size = e->data1 != s->auto_width || e->data2 != s->auto_height;
    if (e->event == SDL_WINDOWEVENT_SIZE_CHANGED)
        set_scaling(s);
}

static void on_resized(void *opaque, const struct surface *p)
{
    struct sdl *s = opaque;

    if (s->texture)
        SDL_DestroyTexture(s->texture);
    s->texture = SDL_CreateTexture(s->renderer, SDL_PIXELFORMAT_RGB888, SDL_TEXTUREACCESS_STREAMING,
                                   (int)p->width, (int)p->height);
    if (!s->own_size)
        fit_window(s);
    set_scaling(s);
}

static void on_changed(void *opaque, const struct rect *r)
{
    struct sdl *s = opaque;
    const struct surface *p = &s->viewer.copy;
    const SDL_Rect rect = {(int)r->x, (int)r->y, (int)r->width, (int)r->height};

    if (s->texture)
        SDL_UpdateTexture(s->texture, &rect, surface_row(p, r->y) + r->x, (int)(p->width * 4));
    s->redraw = true;
}

static void draw(struct sdl *s)
{
    const struct viewer_events events = {on_resized, on_changed, s};

    display_refresh(s->display);
    display_sync(s->display, &s->viewer, &events);
    if (!s->redraw)
        return;
    s->redraw = false;
    SDL_RenderClear(s->renderer);
    if (s->texture)
        SDL_RenderCopy(s->renderer, s->texture, NULL, NULL);
    draw_hint(s);
    SDL_RenderPresent(s->renderer);
}

/* ---- what Ctrl-Alt does ---- */

static void grab(struct sdl *s, bool on)
{
    s->grabbed = on;
    SDL_SetRelativeMouseMode(on ? SDL_TRUE : SDL_FALSE);
    SDL_SetWindowGrab(s->window, on ? SDL_TRUE : SDL_FALSE);
    set_title(s);
}

static void tell_way_out(struct sdl *s)
{
    s->notice[0] = '\0';
    if (s->full_screen && !s->grabbed)
        notice(s, NOTICE_MS, "Ctrl-Alt-F leaves full screen");
    else
        set_title(s);
}

static void toggle_full_screen(struct sdl *s)
{
    s->full_screen = !s->full_screen;
    SDL_SetWindowFullscreen(s->window, s->full_screen ? SDL_WINDOW_FULLSCREEN_DESKTOP : 0);
    if (!s->own_size)
        fit_window(s);
    s->redraw = true;
    tell_way_out(s);
}

static void screenshot(struct sdl *s)
{
    struct error err = {""};
    char path[64], stamp[32];
    time_t now = time(NULL);
    struct tm tm;

    strftime(stamp, sizeof(stamp), "%Y%m%d-%H%M%S", localtime_r(&now, &tm));
    snprintf(path, sizeof(path), "calque-%s.png", stamp);
    if (!s->viewer.copy.pixels)
        return;
    if (picture_write(&s->viewer.copy, path, &err))
        notice(s, NOTICE_MS, "%s", path);
    else
        notice(s, NOTICE_MS, "no screenshot: %s", err.text);
}

static void end_paste(struct sdl *s)
{
    SDL_free(s->paste);
    s->paste = NULL;
}

static void begin_paste(struct sdl *s)
{
    end_paste(s);
    s->paste_left = s->paste = SDL_GetClipboardText();
    set_title(s);
}

/* As the guest takes it. */
static void go_on_pasting(struct sdl *s)
{
    if (!s->paste)
        return;
    s->paste_left = hid_type_some(s->hid, s->keymap, s->paste_left);
    if (!*s->paste_left)
        end_paste(s);
}

/* percent: of what it is; 0: the picture's own size. */
static void scale(struct sdl *s, int percent)
{
    int w, h;

    if (!percent) {
        fit_window(s);
        return;
    }
    SDL_GetWindowSize(s->window, &w, &h);
    w = w * percent / 100;
    h = h * percent / 100;
    if (w < 160 || h < 100 || w > 16384 || h > 16384)
        return;
    s->own_size = true;
    SDL_SetWindowSize(s->window, w, h);
}

/* The guest has seen Ctrl and Alt go down: it sees them go up. */
static void release_keys(struct sdl *s)
{
    for (unsigned i = 0; i < NUM_CODES; i++)
        if (s->held[i])
            hid_key(s->hid, codes[i], false, 0);
    memset(s->held, 0, sizeof(s->held));
}

/* True if the key was for us. */
static bool hot_key(struct sdl *s, SDL_Scancode key)
{
    switch (key) {
    case SDL_SCANCODE_F:
        toggle_full_screen(s);
        break;
    case SDL_SCANCODE_G:
        grab(s, !s->grabbed);
        break;
    case SDL_SCANCODE_S:
        screenshot(s);
        break;
    case SDL_SCANCODE_V:
        release_keys(s);
        begin_paste(s);
        break;
    case SDL_SCANCODE_U:
        scale(s, 0);
        break;
    case SDL_SCANCODE_EQUALS:
    case SDL_SCANCODE_KP_PLUS:
        scale(s, 125);
        break;
    case SDL_SCANCODE_MINUS:
    case SDL_SCANCODE_KP_MINUS:
        scale(s, 80);
        break;
    default:
        return false;
    }
    release_keys(s);
    return true;
}

/* ---- events ---- */

static void on_key(struct sdl *s, const SDL_KeyboardEvent *e)
{
    SDL_Scancode key = e->keysym.scancode;
    bool down = e->type == SDL_KEYDOWN;

    if (e->repeat) /* the keyboard does that itself, as the guest has told it */
        return;
    if (down && (e->keysym.mod & KMOD_CTRL) && (e->keysym.mod & KMOD_LALT) && hot_key(s, key))
        return;
    if (down && key == SDL_SCANCODE_ESCAPE && s->paste) {
        end_paste(s);
        set_title(s);
        return;
    }
    if ((unsigned)key >= NUM_CODES || !codes[key] || (!down && !s->held[key]))
        return;
    s->held[key] = down;
    hid_key(s->hid, codes[key], down, 0);
}

static unsigned button_bit(uint8_t button)
{
    static const uint8_t bits[] = {[SDL_BUTTON_LEFT] = 1,
                                   [SDL_BUTTON_RIGHT] = 2,
                                   [SDL_BUTTON_MIDDLE] = 4,
                                   [SDL_BUTTON_X1] = 8,
                                   [SDL_BUTTON_X2] = 16};

    return button < sizeof(bits) ? bits[button] : 0;
}

/* A guest that places the pointer shows one of its own. */
static void hide_pointer(struct sdl *s)
{
    bool hide = atomic_load(&s->hid->absolute);

    if (hide == s->pointer_hidden)
        return;
    s->pointer_hidden = hide;
    SDL_ShowCursor(hide ? SDL_DISABLE : SDL_ENABLE);
}

static void on_motion(struct sdl *s, const SDL_MouseMotionEvent *e)
{
    if (s->grabbed)
        hid_move(s->hid, e->xrel, e->yrel, 0);
    else if (atomic_load(&s->hid->absolute) && e->x >= 0 && e->y >= 0)
        hid_place(s->hid, (unsigned)e->x, (unsigned)e->y, s->viewer.copy.width,
                  s->viewer.copy.height);
}

/* A click into the window gives the pointer to a guest that only knows movement. */
static void on_button(struct sdl *s, const SDL_MouseButtonEvent *e)
{
    bool down = e->type == SDL_MOUSEBUTTONDOWN;

    if (!s->grabbed && !atomic_load(&s->hid->absolute)) {
        if (down)
            grab(s, true);
        return;
    }
    hid_buttons(s->hid, down ? button_bit(e->button) : 0, button_bit(e->button));
}

/* SDL shows questions from a process of their own, which knows nothing of this one's end. */
static void die_with_parent(void)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static void ask_to_quit(struct sdl *s)
{
    const SDL_MessageBoxButtonData buttons[] = {
        {SDL_MESSAGEBOX_BUTTON_ESCAPEKEY_DEFAULT, 0, "Wait"}, {0, 1, "Switch off"}};
    const SDL_MessageBoxData box = {
        SDL_MESSAGEBOX_WARNING,
        s->window,
        "Calque",
        "The guest has not shut down yet. Switching it off may lose data.",
        2,
        buttons,
        NULL};
    int answer = 0;
    bool left;

    pthread_mutex_lock(&s->lock);
    s->asking = !atomic_load(&s->quit);
    pthread_mutex_unlock(&s->lock);
    if (!s->asking)
        return;
    bool answered = !SDL_ShowMessageBox(&box, &answer);
    pthread_mutex_lock(&s->lock);
    s->asking = false;
    left = s->left;
    pthread_mutex_unlock(&s->lock);
    if (left) /* nobody waits for this thread any more */
        pthread_exit(NULL);
    if (answered && answer == 1)
        s->config.hooks.quit(s->config.hooks.opaque);
}

static void on_close(struct sdl *s)
{
    uint32_t now = SDL_GetTicks();
    bool again = s->closed_at && now - s->closed_at < ASK_AFTER_MS;

    if (again)
        ask_to_quit(s);
    else
        s->config.hooks.powerdown(s->config.hooks.opaque);
    if (!again)
        notice(s, ASK_AFTER_MS, "power button pressed; close again to switch off");
    s->closed_at = again ? 0 : now | 1;
}

static void on_event(struct sdl *s, const SDL_Event *e)
{
    switch (e->type) {
    case SDL_KEYDOWN:
    case SDL_KEYUP:
        on_key(s, &e->key);
        break;
    case SDL_MOUSEMOTION:
        on_motion(s, &e->motion);
        break;
    case SDL_MOUSEBUTTONDOWN:
    case SDL_MOUSEBUTTONUP:
        on_button(s, &e->button);
        break;
    case SDL_MOUSEWHEEL:
        hid_move(s->hid, 0, 0, -e->wheel.y);
        break;
    case SDL_QUIT:
        on_close(s);
        break;
    case SDL_WINDOWEVENT:
        on_window(s, &e->window);
        if (e->window.event == SDL_WINDOWEVENT_FOCUS_LOST) {
            release_keys(s);
            if (s->grabbed)
                grab(s, false);
        }
        break;
    }
}

/* ---- life ---- */

/* Where there is no desktop SDL draws into memory, which nobody would see. */
static bool nobody_sees(void)
{
    const char *driver = SDL_GetCurrentVideoDriver();

    return !getenv("SDL_VIDEODRIVER") && driver &&
           (!strcmp(driver, "offscreen") || !strcmp(driver, "dummy"));
}

static bool open_window(struct sdl *s)
{
    uint32_t flags = SDL_WINDOW_RESIZABLE | (s->full_screen ? SDL_WINDOW_FULLSCREEN_DESKTOP : 0);

    SDL_SetHint(SDL_HINT_NO_SIGNAL_HANDLERS, "1");
    SDL_SetHint(SDL_HINT_VIDEO_ALLOW_SCREENSAVER, "1");
    SDL_SetHint(SDL_HINT_GRAB_KEYBOARD, "1"); /* Alt-Tab is the guest's while the pointer is */
    SDL_SetHint(SDL_HINT_VIDEO_X11_NET_WM_BYPASS_COMPOSITOR, "0");
    pthread_atfork(NULL, NULL, die_with_parent);
    if (SDL_Init(SDL_INIT_VIDEO))
        return false;
    if (nobody_sees()) {
        SDL_SetError("there is no desktop here; try -vnc :0 or -display curses");
        return false;
    }
    s->window = SDL_CreateWindow("Calque", SDL_WINDOWPOS_UNDEFINED, SDL_WINDOWPOS_UNDEFINED, 720,
                                 400, flags);
    s->renderer = s->window ? SDL_CreateRenderer(s->window, -1, 0) : NULL;
    SDL_StopTextInput(); /* keys, not what an input method makes of them */
    return s->renderer;
}

static void tell_started(struct sdl *s, bool ok)
{
    pthread_mutex_lock(&s->lock);
    s->started = ok ? 1 : -1;
    if (!ok)
        error_set(&s->why, "-display sdl: %s", SDL_GetError());
    pthread_cond_signal(&s->cond);
    pthread_mutex_unlock(&s->lock);
}

#define EVENTS_MAX 1000 /* in a frame, so that a flood of them does not stop the picture */

/* As they come, until the next frame is due. */
static void take_events(struct sdl *s, uint32_t until)
{
    SDL_Event e;

    for (unsigned n = 0; n < EVENTS_MAX && !atomic_load(&s->quit); n++) {
        int32_t left = (int32_t)(until - SDL_GetTicks());

        if (!SDL_WaitEventTimeout(&e, left > 0 ? left : 0))
            return;
        on_event(s, &e);
    }
}

static void *serve(void *opaque)
{
    struct sdl *s = opaque;
    bool ok = open_window(s);

    tell_started(s, ok);
    if (ok)
        tell_way_out(s);
    while (ok && !atomic_load(&s->quit)) {
        uint32_t begin = SDL_GetTicks();

        draw(s);
        hide_pointer(s);
        go_on_pasting(s);
        if (begin - s->titled_at >= TITLE_MS)
            set_title(s);
        take_events(s, begin + FRAME_MS);
    }
    end_paste(s);
    end_hint(s);
    if (s->texture)
        SDL_DestroyTexture(s->texture);
    if (s->renderer)
        SDL_DestroyRenderer(s->renderer);
    if (s->window)
        SDL_DestroyWindow(s->window);
    SDL_QuitSubSystem(SDL_INIT_VIDEO); /* sound may still be there */
    return NULL;
}

static bool parse_options(struct sdl *s, struct error *err)
{
    static const char *const keys[] = {"full-screen", "scale", NULL};
    struct option_list l;
    bool ok;

    s->full_screen = s->config.full_screen;
    if (!s->config.options)
        return true;
    if (!option_list_parse(&l, s->config.options, NULL, err))
        return false;
    const char *how = option_get(&l, "scale");
    ok = option_list_check(&l, keys, err) &&
         option_get_bool(&l, "full-screen", &s->full_screen, err);
    s->smooth = how && !strcmp(how, "smooth");
    s->integer = how && !strcmp(how, "integer");
    if (ok && how && !s->smooth && !s->integer && strcmp(how, "sharp") != 0)
        ok = error_set(err, "scale=%s: sharp, smooth or integer is expected", how);
    option_list_free(&l);
    return ok;
}

bool sdl_open(const struct ui_config *config, struct display *display, struct hid *hid,
              const struct keymap *keymap, struct sdl **out, struct error *err)
{
    struct sdl *s = calloc(1, sizeof(*s));

    if (!s)
        return error_set(err, "out of memory");
    s->config = *config;
    s->display = display;
    s->hid = hid;
    s->keymap = keymap;
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->cond, NULL);
    display_attach(display, &s->viewer);
    *out = s;
    if (parse_options(s, err))
        return true;
    error_prefix(err, "-display sdl");
    return false;
}

bool sdl_start(struct sdl *s, struct error *err)
{
    int started;

    if (pthread_create(&s->thread, NULL, serve, s))
        return error_set(err, "-display sdl: a thread cannot be started");
    s->running = true;
    pthread_mutex_lock(&s->lock);
    while (!s->started)
        pthread_cond_wait(&s->cond, &s->lock);
    started = s->started;
    pthread_mutex_unlock(&s->lock);
    if (started < 0)
        *err = s->why;
    return started > 0;
}

void sdl_close(struct sdl *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    atomic_store(&s->quit, true);
    s->left = s->asking;
    pthread_mutex_unlock(&s->lock);
    if (s->running && !s->left)
        pthread_join(s->thread, NULL);
    display_detach(s->display, &s->viewer);
    if (s->left) /* SDL's question cannot be taken back: it goes with this process, as *s does */
        return;
    pthread_mutex_destroy(&s->lock);
    pthread_cond_destroy(&s->cond);
    free(s);
}

#else

bool sdl_open(const struct ui_config *config, struct display *display, struct hid *hid,
              const struct keymap *keymap, struct sdl **out, struct error *err)
{
    (void)config, (void)display, (void)hid, (void)keymap, (void)out;
    return error_set(err, "-display sdl: built without SDL2");
}

bool sdl_start(struct sdl *s, struct error *err)
{
    (void)s;
    return error_set(err, "-display sdl: built without SDL2");
}

void sdl_close(struct sdl *s)
{
    (void)s;
}

#endif
