// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "unmarked.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>

#include <infiniband/hugeodp.h>

#include "raw.h"
#include "tap.h"

void unmarked_open(struct rig *unmarked, const struct rig *rig)
{
	struct ibv_device_odp_attr attr;
	char path[300];

	snprintf(path, sizeof(path), "%s/hugeodp_abi", rig->ctx->device->ibdev_path);
	if (rig->series && mount("/dev/null", path, NULL, MS_BIND, NULL))
		fatal("mount on %s: %s", path, strerror(errno));
	rig_open(unmarked);
	if (rig->series && umount(path))
		fatal("umount of %s: %s", path, strerror(errno));
	if (ibv_query_device_odp(unmarked->ctx, &attr, sizeof(attr)) ||
	    attr.source != IBV_ODP_SOURCE_LIBRARY)
		fatal("the mark of the device is still known");
	/* the helpers have read the hidden one */
	raw_read_mark(rig->ctx->device);
}
