// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Export ibv_reg_mr_ex() under its own name, for programs that use dlsym(). */
#include "priv.h"

struct ibv_mr *by_its_name(struct ibv_pd *pd,
			   struct ibv_mr_init_attr *attr) __asm__("ibv_reg_mr_ex");

HUGEODP_EXPORT struct ibv_mr *by_its_name(struct ibv_pd *pd, struct ibv_mr_init_attr *attr)
{
	return hugeodp_reg_mr_ex(pd, attr);
}
