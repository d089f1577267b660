/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
#ifndef HUGEODP_BY_FD_H
#define HUGEODP_BY_FD_H

/* Where sysfs has character devices, and RDMA devices by name; the unit tests replace these. */
extern const char *by_fd_char_dir;
extern const char *by_fd_class_dir;

#endif
