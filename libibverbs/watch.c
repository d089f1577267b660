// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "uverbs/ioctl.h"
#include "log.h"
#include "priv.h"

HUGEODP_EXPORT int hugeodp_watch_mr(struct ibv_mr *mr, int event_fd)
{
	const struct kernel_side *side;
	struct uverbs_cmd cmd;
	int err;

	if (!mr)
		return hugeodp_err(log_refusal(EINVAL, "no MR"));
	if (event_fd < -1)
		return hugeodp_err(log_refusal(EBADF, "file descriptor %d", event_fd));
	err = hugeodp_kernel_side(mr->context, &side);
	if (err)
		return hugeodp_err(err);
	uverbs_cmd_init(&cmd, UVERBS_OBJECT_MR, side->watch_mr);
	uverbs_attr_idr(&cmd, HUGEODP_ATTR_MR_WATCH_ODP_HANDLE, mr->handle);
	if (event_fd != -1)
		uverbs_attr_fd(&cmd, HUGEODP_ATTR_MR_WATCH_ODP_EVENT_FD, event_fd);
	return hugeodp_err(
		hugeodp_kernel_err(mr->context, side, uverbs_cmd_exec(mr->context, &cmd)));
}
