/* SPDX-License-Identifier: GPL-2.0-or-later */
/* load, declare, call: functions of a shared library as commands, called by their declared
 * signature. A `const char *` is a text of the caller's, or one read from the guest's memory when
 * an expression is given; all other arguments are values of expressions. */
#include <ctype.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"
#include "debugger/commands_internal.h"

#if CONFIG_FFI
#include <dlfcn.h>
#include <ffi.h>

#define CALL_ARGS_MAX 12
#define TEXT_MAX      1024

enum kind { KIND_VOID, KIND_SIGNED, KIND_UNSIGNED, KIND_DOUBLE, KIND_TEXT };

static const struct c_type {
    const char *name;
    enum kind kind;
    ffi_type *type;
} types[] = {
    {"void", KIND_VOID, &ffi_type_void},
    {"bool", KIND_UNSIGNED, &ffi_type_uint8},
    {"char", KIND_SIGNED, &ffi_type_schar},
    {"int8_t", KIND_SIGNED, &ffi_type_sint8},
    {"uint8_t", KIND_UNSIGNED, &ffi_type_uint8},
    {"short", KIND_SIGNED, &ffi_type_sshort},
    {"int16_t", KIND_SIGNED, &ffi_type_sint16},
    {"uint16_t", KIND_UNSIGNED, &ffi_type_uint16},
    {"int", KIND_SIGNED, &ffi_type_sint},
    {"unsigned", KIND_UNSIGNED, &ffi_type_uint},
    {"unsigned int", KIND_UNSIGNED, &ffi_type_uint},
    {"int32_t", KIND_SIGNED, &ffi_type_sint32},
    {"uint32_t", KIND_UNSIGNED, &ffi_type_uint32},
    {"long", KIND_SIGNED, &ffi_type_slong},
    {"unsigned long", KIND_UNSIGNED, &ffi_type_ulong},
    {"int64_t", KIND_SIGNED, &ffi_type_sint64},
    {"uint64_t", KIND_UNSIGNED, &ffi_type_uint64},
    {"size_t", KIND_UNSIGNED, &ffi_type_ulong},
    {"double", KIND_DOUBLE, &ffi_type_double},
    {"char *", KIND_TEXT, &ffi_type_pointer},
};

struct function {
    struct function *next;
    char *name;
    void *address;
    const struct c_type *result, *args[CALL_ARGS_MAX];
    unsigned n;
};

struct library {
    struct library *next;
    void *handle;
};

struct calls {
    struct library *libraries;
    struct function *functions;
};

void calls_free(struct calls *c)
{
    if (!c)
        return;
    while (c->functions) {
        struct function *f = c->functions;

        c->functions = f->next;
        free(f->name);
        free(f);
    }
    while (c->libraries) {
        struct library *l = c->libraries;

        c->libraries = l->next;
        dlclose(l->handle);
        free(l);
    }
    free(c);
}

static struct calls *calls_of(struct monitor *mon)
{
    struct commands *c = commands_of(mon);

    if (!c->calls)
        c->calls = calloc(1, sizeof(*c->calls));
    if (!c->calls)
        monitor_error(mon, "out of memory\n");
    return c->calls;
}

void cmd_load(struct monitor *mon, const struct monitor_args *args)
{
    struct calls *c = calls_of(mon);
    struct library *l = c ? calloc(1, sizeof(*l)) : NULL;

    if (!l)
        return;
    l->handle = dlopen(args->text[0], RTLD_NOW | RTLD_LOCAL);
    if (!l->handle) {
        monitor_error(mon, "%s\n", dlerror());
        free(l);
        return;
    }
    l->next = c->libraries;
    c->libraries = l;
    monitor_printf(mon, "%s is loaded; declare says what its functions take\n", args->text[0]);
}

/* ---- declarations ---- */

/* The type of that name, whatever blanks it has, and without const; NULL: none that is known. */
static const struct c_type *find_type(const char *text, size_t n)
{
    char name[64];
    size_t len = 0;
    bool space = false;

    for (size_t i = 0; i < n && len + 3 < sizeof(name); i++) {
        if (isspace((unsigned char)text[i])) {
            space = true;
            continue;
        }
        if (len && (space || text[i] == '*' || name[len - 1] == '*'))
            name[len++] = ' ';
        name[len++] = text[i];
        space = false;
    }
    name[len] = '\0';
    const char *plain = !strncmp(name, "const ", 6) ? name + 6 : name;
    for (size_t i = 0; i < ARRAY_SIZE(types); i++)
        if (!strcmp(plain, types[i].name))
            return &types[i];
    return NULL;
}

static const struct c_type *parse_parameter(const char *text, size_t n)
{
    const struct c_type *t = find_type(text, n);

    while (n && isspace((unsigned char)text[n - 1]))
        n--;
    while (!t && n && (isalnum((unsigned char)text[n - 1]) || text[n - 1] == '_'))
        n--;
    return t ? t : find_type(text, n);
}

static bool parse_parameters(const char *text, struct function *f, struct error *err)
{
    const char *end = strchr(text, ')');

    if (!end)
        return error_set(err, "declare: ) is expected");
    while (text < end) {
        const char *comma = memchr(text, ',', (size_t)(end - text));
        size_t n = comma ? (size_t)(comma - text) : (size_t)(end - text);
        const struct c_type *t = parse_parameter(text, n);

        if (!t)
            return error_set(err,
                             "declare: '%.*s': no type that can be passed; integers, double "
                             "and const char * are",
                             (int)n, text);
        if (t->kind == KIND_VOID)
            return !f->n || error_set(err, "declare: void is no type of a parameter");
        if (f->n == CALL_ARGS_MAX)
            return error_set(err, "declare: more than %d parameters", CALL_ARGS_MAX);
        f->args[f->n++] = t;
        text += n + 1;
    }
    return true;
}

/* "uint64_t name(uint64_t, const char *)" */
static bool parse_declaration(const char *text, struct function *f, struct error *err)
{
    const char *open = strchr(text, '('), *name = open;

    if (!open)
        return error_set(err, "declare: TYPE NAME(TYPE, ...) is expected");
    while (name > text && isspace((unsigned char)name[-1]))
        name--;
    const char *end = name;
    while (name > text && (isalnum((unsigned char)name[-1]) || name[-1] == '_'))
        name--;
    f->result = find_type(text, (size_t)(name - text));
    f->name = strndup(name, (size_t)(end - name));
    if (!f->result || !f->name || !*f->name)
        return error_set(err, "declare: '%.*s': no type and name that are known",
                         (int)(open - text), text);
    return parse_parameters(open + 1, f, err);
}

void cmd_declare(struct monitor *mon, const struct monitor_args *args)
{
    struct calls *c = calls_of(mon);
    struct function *f = c ? calloc(1, sizeof(*f)) : NULL;
    struct error err = {""};

    if (!f)
        return;
    bool ok = parse_declaration(args->text[0], f, &err);
    say(mon, ok, &err);
    for (struct library *l = c->libraries; ok && l && !f->address; l = l->next)
        f->address = dlsym(l->handle, f->name);
    if (ok && !f->address)
        monitor_error(mon, "%s: no library that was loaded has it\n", f->name);
    if (!ok || !f->address) {
        free(f->name);
        free(f);
        return;
    }
    f->next = c->functions;
    c->functions = f;
}

/* ---- calls ---- */

union value {
    uint64_t u;
    double d;
    const char *text;
};

struct invocation {
    const struct function *f;
    union value value[CALL_ARGS_MAX];
    char text[CALL_ARGS_MAX][TEXT_MAX];
    unsigned n;
};

/* Where an argument ends: at a comma or the last parenthesis, outside of texts and parentheses. */
static size_t argument_length(const char *p)
{
    unsigned depth = 0;
    size_t n = 0;

    for (bool quoted = false; p[n]; n++) {
        if (p[n] == '"')
            quoted = !quoted;
        else if (!quoted && (p[n] == '(' || p[n] == '['))
            depth++;
        else if (!quoted && (p[n] == ')' || p[n] == ']') && !depth--)
            break;
        else if (!quoted && !depth && p[n] == ',')
            break;
    }
    return n;
}

/* "..." as it stands, or the guest's at an address. */
static bool take_text(struct monitor *mon, struct invocation *v, const char *arg)
{
    char *to = v->text[v->n];
    uint64_t addr;
    size_t n = 0;

    v->value[v->n].text = to;
    if (*arg == '"') {
        snprintf(to, TEXT_MAX, "%.*s", (int)strcspn(arg + 1, "\""), arg + 1);
        return true;
    }
    if (!parse_linear(mon, arg, &addr))
        return false;
    while (n < TEXT_MAX - 1 &&
           debugger_read(debugger_of(mon), mon->cpu, false, addr + n, to + n, 1) == 1 && to[n])
        n++;
    to[n] = '\0';
    return true;
}

static bool take_argument(struct monitor *mon, struct invocation *v, const char *arg)
{
    char *end;

    switch (v->f->args[v->n]->kind) {
    case KIND_TEXT:
        return take_text(mon, v, arg);
    case KIND_DOUBLE:
        v->value[v->n].d = strtod(arg, &end);
        if (end == arg || *end)
            monitor_error(mon, "%s: a number is expected\n", arg);
        return end != arg && !*end;
    default: /* libffi reads as many bytes as the type has: little-endian hosts (x86, arm) */
        return parse_value(mon, arg, &v->value[v->n].u);
    }
}

static bool take_arguments(struct monitor *mon, struct invocation *v, const char *p)
{
    p += strspn(p, " \t");
    while (*p && *p != ')') {
        size_t n = argument_length(p);
        char arg[TEXT_MAX];

        while (n && isspace((unsigned char)p[n - 1]))
            n--;
        snprintf(arg, sizeof(arg), "%.*s", (int)n, p);
        if (v->n == v->f->n) {
            monitor_error(mon, "%s takes %u values\n", v->f->name, v->f->n);
            return false;
        }
        if (!take_argument(mon, v, arg))
            return false;
        v->n++;
        p += n;
        p += strspn(p, " \t,");
    }
    if (*p == ')' && v->n == v->f->n)
        return true;
    monitor_error(mon, *p == ')' ? "%s takes %u values\n" : "%s: ) is expected\n", v->f->name,
                  v->f->n);
    return false;
}

/* libffi widens small results to ffi_arg. */
static void print_result(struct monitor *mon, const struct c_type *t, union value *r)
{
    unsigned bits = 8 * (unsigned)t->type->size;

    if (bits < 64 && t->kind == KIND_UNSIGNED)
        r->u &= (1ull << bits) - 1;
    switch (t->kind) {
    case KIND_VOID:
        break;
    case KIND_SIGNED:
        monitor_printf(mon, "= %" PRId64 "\n", (int64_t)(r->u << (64 - bits)) >> (64 - bits));
        break;
    case KIND_UNSIGNED:
        monitor_printf(mon, "= %" PRIu64 " (0x%" PRIx64 ")\n", r->u, r->u);
        break;
    case KIND_DOUBLE:
        monitor_printf(mon, "= %.17g\n", r->d);
        break;
    case KIND_TEXT:
        monitor_printf(mon, r->text ? "= \"%.900s\"\n" : "= NULL\n", r->text);
    }
}

static void invoke(struct monitor *mon, struct invocation *v)
{
    ffi_type *kinds[CALL_ARGS_MAX];
    void *values[CALL_ARGS_MAX];
    union value result = {0};
    ffi_cif cif;

    for (unsigned i = 0; i < v->n; i++) {
        kinds[i] = v->f->args[i]->type;
        values[i] = &v->value[i];
    }
    if (ffi_prep_cif(&cif, FFI_DEFAULT_ABI, v->n, v->f->result->type, kinds) != FFI_OK) {
        monitor_error(mon, "%s cannot be called so\n", v->f->name);
        return;
    }
    ffi_call(&cif, FFI_FN(v->f->address), &result, values);
    print_result(mon, v->f->result, &result);
}

void cmd_call(struct monitor *mon, const struct monitor_args *args)
{
    const char *text = args->text[0];
    size_t n = strcspn(text, " \t(");
    struct invocation *v = calloc(1, sizeof(*v));
    struct calls *c = v ? calls_of(mon) : NULL;

    if (!c) {
        free(v);
        return;
    }
    for (v->f = c->functions; v->f; v->f = v->f->next)
        if (strlen(v->f->name) == n && !strncmp(v->f->name, text, n))
            break;
    text += n + strspn(text + n, " \t");
    if (!v->f)
        monitor_error(mon, "%.*s: not declared\n", (int)n, args->text[0]);
    else if (*text != '(')
        monitor_error(mon, "usage: call NAME(VALUE, ...)\n");
    else if (take_arguments(mon, v, text + 1))
        invoke(mon, v);
    free(v);
}

#else

void calls_free(struct calls *c)
{
    (void)c;
}

void cmd_load(struct monitor *mon, const struct monitor_args *args)
{
    (void)args;
    monitor_error(mon, "load: not in this build (libffi)\n");
}

void cmd_declare(struct monitor *mon, const struct monitor_args *args)
{
    (void)args;
    monitor_error(mon, "declare: not in this build (libffi)\n");
}

void cmd_call(struct monitor *mon, const struct monitor_args *args)
{
    (void)args;
    monitor_error(mon, "call: not in this build (libffi)\n");
}

#endif
