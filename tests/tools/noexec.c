/* SPDX-License-Identifier: GPL-2.0-or-later */
/* noexec PROGRAM ARGUMENTS...: runs a program that can make no memory executable, except by mapping
 * files for itself alone, as the loader does. Exit status 125: this host cannot. */
#include <errno.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/mman.h>
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
#define SET(v, yes, no)   BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, v, yes, no)
#define RETURN(v)         BPF_STMT(BPF_RET | BPF_K, v)

static int forbid(void)
{
    struct sock_filter code[] = {
        FIELD(nr),
        EQUAL(SYS_mmap, 2, 0),
        EQUAL(SYS_mprotect, 3, 0),
        EQUAL(SYS_pkey_mprotect, 2, 5),
        ARGUMENT(3),
        SET(MAP_SHARED | MAP_ANONYMOUS, 0, 3),
        ARGUMENT(2),
        SET(PROT_EXEC, 0, 1),
        RETURN(SECCOMP_RET_ERRNO | EACCES),
        RETURN(SECCOMP_RET_ALLOW),
    };
    struct sock_fprog filter = {sizeof(code) / sizeof(code[0]), code};

    return prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ||
           prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &filter, 0, 0);
}

int main(int argc, char **argv)
{
    if (argc < 2 || forbid())
        return CANNOT;
    execvp(argv[1], argv + 1);
    perror(argv[1]);
    return CANNOT;
}
