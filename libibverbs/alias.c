// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Export ibv_reg_mr_ex() under its own name, for programs that use dlsym(). */
#include "priv.h"

#undef ibv_reg_mr_ex

struct ibv_mr *ibv_reg_mr_ex(struct ibv_pd *pd, struct ibv_mr_init_attr *attr);

HUGEODP_EXPORT struct ibv_mr *ibv_reg_mr_ex(struct ibv_pd *pd, struct ibv_mr_init_attr *attr)
{
	return hugeodp_reg_mr_ex(pd, attr);
}
