/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef LAB_DMABUF_H
#define LAB_DMABUF_H

#include <stddef.h>

/* A dma-buf of memory of the system, or -1 if the kernel has no /dev/udmabuf. */
int dmabuf_make(size_t len);

#endif
