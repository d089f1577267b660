/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * Programs that open libibverbs with dlopen(3) and look up its functions on the handle get the
 * interposed functions.
 */
#ifndef HUGEODP_PRELOAD_BY_HANDLE_H
#define HUGEODP_PRELOAD_BY_HANDLE_H

/* dlsym(3) finds what comes after the caller, so it must see the real caller: it needs assembly. */
#ifdef __x86_64__
#define BY_HANDLE 1
#else
#define BY_HANDLE 0
#endif

#endif
