// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <inttypes.h>
#include <infiniband/verbs.h>
#include <rdma/ib_user_verbs.h>

#include "uverbs/ioctl.h"
#include "log.h"
#include "priv.h"

/*
 * The kernel takes lengths of 32 bits. Pieces end at multiples of this size, so that a block of up to
 * this size is not looked at twice, and a signal or the caller waits for one piece only.
 */
#define PIECE (UINT64_C(256) << 20)

static int validate(const struct ibv_mr *mr, uint64_t addr, uint64_t length,
		    enum ibv_advise_mr_advice advice)
{
	if (!mr || !length || addr + (length - 1) < addr)
		return log_refusal(EINVAL,
				   "no MR, length 0, or a range that wraps around: %#" PRIx64
				   ", length %#" PRIx64,
				   addr, length);
	switch (advice) {
	case IBV_ADVISE_MR_ADVICE_PREFETCH:
	case IBV_ADVISE_MR_ADVICE_PREFETCH_WRITE:
	case IBV_ADVISE_MR_ADVICE_PREFETCH_NO_FAULT:
		return 0;
	default:
		return log_refusal(EINVAL, "advice %u is not a prefetch", (unsigned int)advice);
	}
}

/* ibv_advise_mr() of one range, which not every provider has: that of rxe was added after ODP. */
static int advise(const struct ibv_mr *mr, uint64_t addr, uint32_t length,
		  enum ibv_advise_mr_advice advice)
{
	const struct ib_uverbs_sge range = { .addr = addr, .length = length, .lkey = mr->lkey };
	const uint32_t flags = IBV_ADVISE_MR_FLAG_FLUSH;
	const uint64_t number = advice;
	struct uverbs_cmd cmd;

	uverbs_cmd_init(&cmd, UVERBS_OBJECT_MR, UVERBS_METHOD_ADVISE_MR);
	uverbs_attr_idr(&cmd, UVERBS_ATTR_ADVISE_MR_PD_HANDLE, mr->pd->handle);
	uverbs_attr_in(&cmd, UVERBS_ATTR_ADVISE_MR_ADVICE, &number, sizeof(number));
	uverbs_attr_in(&cmd, UVERBS_ATTR_ADVISE_MR_FLAGS, &flags, sizeof(flags));
	uverbs_attr_in(&cmd, UVERBS_ATTR_ADVISE_MR_SGE_LIST, &range, sizeof(range));
	return uverbs_cmd_exec(mr->context, &cmd);
}

HUGEODP_EXPORT int hugeodp_prefetch_mr(struct ibv_mr *mr, uint64_t addr, uint64_t length,
				       enum ibv_advise_mr_advice advice,
				       int (*progress)(void *arg, uint64_t done), void *arg)
{
	uint64_t done = 0;
	int err;

	err = validate(mr, addr, length, advice);
	while (!err && done < length) {
		const uint64_t at = addr + done;
		const uint64_t room = PIECE - at % PIECE, rest = length - done;
		const uint32_t piece = (uint32_t)(rest < room ? rest : room);

		err = advise(mr, at, piece, advice);
		if (err)
			break;
		done += piece;
		if (progress && progress(arg, done) && done < length)
			err = ECANCELED;
	}
	return hugeodp_err(err);
}
