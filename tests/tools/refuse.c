/* SPDX-License-Identifier: GPL-2.0-or-later */
/* refuse REQUEST ARGUMENT ERRNO PROGRAM ARGUMENTS...: runs a program whose ioctl()s of this request
 * (and argument, unless that is -) return ERRNO, or 0, and do nothing. Exit status 125: this host
 * cannot. */
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { CANNOT = 125 };

#define FIELD(member) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, member))
/* The low half of a system call's argument. */
#define ARGUMENT(n)                                                                                \
    BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args) + 8 * (n) +             \
                                           4 * (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__))
#define EQUAL(v, yes, no) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, v, yes, no)
#define RETURN(v)         BPF_STMT(BPF_RET | BPF_K, v)

static int refuse(uint32_t request, const char *argument, uint32_t error)
{
    uint32_t value = (uint32_t)strtoul(argument, NULL, 0);
    struct sock_filter code[] = {
        FIELD(nr),
        EQUAL(SYS_ioctl, 0, 5),
        ARGUMENT(1),
        EQUAL(request, 0, 3),
        ARGUMENT(2),
        EQUAL(value, 0, (uint8_t)(strcmp(argument, "-") ? 1 : 0)),
        RETURN(SECCOMP_RET_ERRNO | (error & SECCOMP_RET_DATA)),
        RETURN(SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof(code) / sizeof(code[0]), code};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0);
}

int main(int argc, char **argv)
{
    if (argc < 5 ||
        refuse((uint32_t)strtoul(argv[1], NULL, 0), argv[2], (uint32_t)strtoul(argv[3], NULL, 0)))
        return CANNOT;
    execvp(argv[4], argv + 4);
    perror(argv[4]);
    return CANNOT;
}
