// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "log.h"
#include "priv.h"

HUGEODP_EXPORT uint32_t hugeodp_version(void)
{
	return HUGEODP_VERSION;
}

int hugeodp_copy_in(void *to, size_t to_size, const void *from, size_t from_size, size_t least)
{
	const unsigned char *bytes = from;
	size_t i;

	if (!from || from_size < least)
		return log_refusal(EINVAL, "no request, or size %zu is too small", from_size);
	/* a member of a later release that this one cannot respect */
	for (i = to_size; i < from_size; i++) {
		if (bytes[i])
			return log_refusal(EOPNOTSUPP, "unknown member at byte %zu", i);
	}
	memset(to, 0, to_size);
	memcpy(to, from, from_size < to_size ? from_size : to_size);
	return 0;
}
