// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/* Device memory cannot be paged on demand: it is refused, or its access fails. */
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "scene.h"
#include "tap.h"

/* The frame buffer of a VGA card has been here since 1987. */
#define VGA 0xa0000
#define LEN SZ_64K

static void refused(struct rig *rig, void *addr, const struct mode *mode)
{
	struct ibv_mr *mr = mode_reg(mode, rig->pd, addr, LEN, (uintptr_t)addr, ACCESS_ALL);

	ok(!mr && errno == ERANGE, "%s: ERANGE, no MR", mode->name);
	if (mr)
		ibv_dereg_mr(mr);
}

/* Plain ODP: the MR is made, and its memory is examined only when it is accessed. */
static void not_accessed(struct scene *s, void *addr, const struct mode *mode)
{
	struct ibv_mr *mr = mode_reg(mode, s->rig->pd, addr, LEN, (uintptr_t)addr, ACCESS_ALL);
	struct ibv_sge sge = {
		.addr = (uintptr_t)s->near.mem.addr,
		.length = 100,
		.lkey = s->near.mr->lkey,
	};
	struct ibv_send_wr wr = {
		.opcode = IBV_WR_RDMA_READ,
		.send_flags = IBV_SEND_SIGNALED,
		.sg_list = &sge,
		.num_sge = 1,
	};
	struct ibv_mr_odp_attr state;

	if (!ok(mr, "%s: register", mode->name))
		return;
	wr.wr.rdma.remote_addr = (uintptr_t)addr;
	wr.wr.rdma.rkey = mr->rkey;
	post_send(&s->pair, &wr);
	is_u64(pair_wait(&s->pair, NEAR).status, IBV_WC_REM_ACCESS_ERR, "%s: READ", mode->name);
	pair_renew(&s->pair);
	is_errno(ibv_query_mr_odp(mr, &state, sizeof(state)), 0, "%s: query", mode->name);
	is_u64(state.blocks_mapped, 0, "%s: nothing is mapped", mode->name);
	is_errno(ibv_modify_mr_odp(mr, SZ_4K, IBV_ODP_POPULATE), EFAULT, "%s: populate",
		 mode->name);
	is_errno(ibv_dereg_mr(mr), 0, "%s: deregister", mode->name);
}

int main(void)
{
	struct scene s;
	struct rig rig;
	void *addr;
	int fd;

	rig_open(&rig);
	need_series(&rig);
	fd = open("/dev/mem", O_RDWR | O_CLOEXEC);
	need(fd >= 0, "/dev/mem: %s", strerror(errno));
	addr = mmap(NULL, LEN, PROT_READ | PROT_WRITE, MAP_SHARED, fd, VGA);
	if (addr == MAP_FAILED)
		fatal("mmap of /dev/mem: %s", strerror(errno));
	scene_open_unregistered(&s, &rig, MEM_BASE, SZ_2M);
	refused(&rig, addr, &mode_strict_64k);
	refused(&rig, addr, &mode_strict_2m);
	not_accessed(&s, addr, &mode_odp);
	not_accessed(&s, addr, &mode_2m_4k);
	not_accessed(&s, addr, &mode_mixed_2m_4k);
	scene_close(&s);
	munmap(addr, LEN);
	close(fd);
	rig_close(&rig);
	return tap_done();
}
