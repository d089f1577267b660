// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Transfers between on-demand paging MRs until the device of the near side is removed. Prints
 * "ready" when they run, and succeeds if the removal is reported and everything can be closed.
 */
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <sys/mman.h>

#include "../kselftest.h"
#include "rxe_odp_pair.h"

#define LENGTH 65536UL
#define MRS 16
#define ACCESS (IBV_ACCESS_LOCAL_WRITE | IBV_ACCESS_REMOTE_READ | IBV_ACCESS_REMOTE_WRITE | \
		IBV_ACCESS_ON_DEMAND)

static struct ibv_mr *register_memory(struct side *side)
{
	void *mem = mmap(NULL, LENGTH, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	struct ibv_mr *mr = NULL;

	if (mem != MAP_FAILED)
		mr = ibv_reg_mr(side->pd, mem, LENGTH, ACCESS);
	if (!mr)
		ksft_exit_fail_perror("registering memory");
	return mr;
}

/* Whether the device reports that it is gone */
static bool is_removed(struct ibv_context *context)
{
	struct pollfd fd = { .fd = context->async_fd, .events = POLLIN };
	struct ibv_async_event event;
	bool fatal;

	while (poll(&fd, 1, 0) == 1 && !ibv_get_async_event(context, &event)) {
		fatal = event.event_type == IBV_EVENT_DEVICE_FATAL;
		ibv_ack_async_event(&event);
		if (fatal)
			return true;
	}
	return false;
}

/* False if the transfer failed, or the device was removed before its end */
static bool transfer(struct pair *pair, struct ibv_mr *from, struct ibv_mr *to, bool *removed)
{
	struct part near = { from, (uintptr_t)from->addr };
	struct part far = { to, (uintptr_t)to->addr };
	int status;

	if (pair_post(pair, IBV_WR_RDMA_WRITE, near, far, LENGTH))
		return false;
	do {
		status = pair_wait(pair, 1);
		*removed = is_removed(pair->near.context);
	} while (status < 0 && !*removed);
	return !status;
}

int main(int argc, char **argv)
{
	bool failed = false, removed = false;
	struct ibv_mr *near[MRS], *far[MRS];
	unsigned int count = 0;
	struct pair pair;

	if (argc != 3)
		ksft_exit_fail_msg("usage: rxe_odp_remove DEVICE DEVICE\n");
	pair_open(&pair, argv[1], argv[2]);
	for (int i = 0; i < MRS; i++) {
		near[i] = register_memory(&pair.near);
		far[i] = register_memory(&pair.far);
	}
	fcntl(pair.near.context->async_fd, F_SETFL, O_NONBLOCK);
	while (!removed) {
		struct ibv_mr *from = near[count % MRS], *to = far[count % MRS];

		/* the device has to fault on each of them again */
		madvise(from->addr, LENGTH, MADV_DONTNEED);
		madvise(to->addr, LENGTH, MADV_DONTNEED);
		if (!failed)
			failed = !transfer(&pair, from, to, &removed);
		removed = removed || is_removed(pair.near.context);
		if (++count != MRS)
			continue;
		if (failed)
			ksft_exit_fail_msg("a transfer failed before the removal\n");
		printf("ready\n");
		fflush(stdout);
	}
	/* Errors are fine: with its end of a veth pair the other device is removed as well. */
	for (int i = 0; i < MRS; i++) {
		ibv_dereg_mr(near[i]);
		ibv_dereg_mr(far[i]);
	}
	pair_close(&pair);
	return KSFT_PASS;
}
