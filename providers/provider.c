// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <stddef.h>

#include "uverbs/ioctl.h"
#include "provider.h"

static const struct hugeodp_provider *const providers[] = {
	&provider_mlx4,
	&provider_mlx5,
	&provider_rxe,
};

static const struct hugeodp_provider provider_other;

const struct hugeodp_provider *hugeodp_provider(struct ibv_context *context)
{
	uint32_t driver_id;
	size_t i;

	if (uverbs_driver_id(context, &driver_id))
		return &provider_other;
	for (i = 0; i < sizeof(providers) / sizeof(providers[0]); i++) {
		if (providers[i]->driver == driver_id)
			return providers[i];
	}
	return &provider_other;
}
