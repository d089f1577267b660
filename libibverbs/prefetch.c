// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include <inttypes.h>

#include "log.h"
#include "priv.h"

/*
 * ibv_advise_mr() takes lengths of 32 bits. Pieces end at multiples of this size, so that a block of
 * up to this size is not looked at twice, and a signal or the caller waits for one piece only.
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
		struct ibv_sge sge = {
			.addr = at,
			.length = (uint32_t)(rest < room ? rest : room),
			.lkey = mr->lkey,
		};

		err = ibv_advise_mr(mr->pd, advice, IBV_ADVISE_MR_FLAG_FLUSH, &sge, 1);
		if (err)
			break;
		done += sge.length;
		if (progress && progress(arg, done) && done < length)
			err = ECANCELED;
	}
	return hugeodp_err(err);
}
