// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "priv.h"

HUGEODP_EXPORT uint32_t hugeodp_version(void)
{
	return HUGEODP_VERSION;
}
