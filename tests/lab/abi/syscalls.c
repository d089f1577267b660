// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * The system calls of a registration: on mlx5 one ioctl, and another by which the provider imports
 * the MR; on other devices those of ibv_reg_mr() and one ioctl. In both cases the MR is complete,
 * and a failure leaves nothing registered.
 */
#include <errno.h>
#include <stdarg.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <rdma/ib_user_ioctl_cmds.h>
#include <rdma/rdma_user_ioctl_cmds.h>

#include "raw.h"
#include "resources.h"
#include "scene.h"
#include "tap.h"

#define LEN (SZ_2M * 4)
#define HERE __attribute__((visibility("default")))

/* UVERBS_METHOD_REG_MR of the kernel headers of Linux 6.17 and later. */
#define METHOD_REG_MR 5

struct calls {
	int total;
	int reg_mr; /* ioctls of objects MR, by method */
	int query_mr;
	int destroy_mr;
	int modify_odp;
};

static struct calls calls;
static int counted_fd = -1;

static void count_ioctl(const struct ib_uverbs_ioctl_hdr *hdr)
{
	calls.total++;
	if (hdr->object_id != UVERBS_OBJECT_MR)
		return;
	calls.reg_mr += hdr->method_id == METHOD_REG_MR;
	calls.query_mr += hdr->method_id == UVERBS_METHOD_QUERY_MR;
	calls.destroy_mr += hdr->method_id == UVERBS_METHOD_MR_DESTROY;
	calls.modify_odp += hdr->method_id == raw_side()->modify_mr;
}

/* The libraries find these ahead of libc's. */
HERE int ioctl(int fd, unsigned long request, ...)
{
	va_list args;
	void *arg;

	va_start(args, request);
	arg = va_arg(args, void *);
	va_end(args);
	if (fd == counted_fd && request == RDMA_VERBS_IOCTL)
		count_ioctl(arg);
	return (int)syscall(SYS_ioctl, fd, request, arg);
}

HERE ssize_t write(int fd, const void *data, size_t len)
{
	calls.total += fd == counted_fd;
	return syscall(SYS_write, fd, data, len);
}

static struct ibv_mr *reg(struct rig *rig, const struct mode *mode, const struct mem *mem,
			  int access)
{
	struct ibv_mr *mr;

	calls = (struct calls){ 0 };
	mr = mode_reg(mode, rig->pd, mem->addr, mem->len, (uintptr_t)mem->addr, access);
	note("%s: %d calls of the kernel; %d REG_MR, %d QUERY_MR, %d MODIFY_ODP, %d MR_DESTROY",
	     mode->name, calls.total, calls.reg_mr, calls.query_mr, calls.modify_odp,
	     calls.destroy_mr);
	return mr;
}

/* Counts the calls of a registration. */
static struct calls calls_of(struct rig *rig, const struct mode *mode, const struct mem *mem,
			     int access)
{
	struct ibv_mr *mr = reg(rig, mode, mem, access);
	struct calls of = calls;

	if (!mr || ibv_dereg_mr(mr))
		fatal("%s: %s", mode->name, strerror(errno));
	return of;
}

static void counts(struct rig *rig, const struct mem *mem)
{
	struct calls plain, request;

	/* fills the caches of the library */
	calls_of(rig, &mode_strict_2m, mem, ACCESS_ALL);
	plain = calls_of(rig, &mode_odp, mem, ACCESS_ALL);
	request = calls_of(rig, &mode_strict_2m, mem, ACCESS_ALL);
	is_u64((uint64_t)request.total, (uint64_t)plain.total + 1,
	       "a request costs one call more than ibv_reg_mr()");
	is_u64((uint64_t)request.reg_mr, !rig->is_rxe, "registered by one ioctl where that works");
	is_u64((uint64_t)request.modify_odp, rig->is_rxe, "... or else changed by one");
	request = calls_of(rig, &mode_strict_2m, mem, ACCESS_ALL | IBV_ACCESS_MW_BIND);
	is_u64((uint64_t)request.modify_odp, 1, "for memory windows, an MR of the provider's own");
}

/* The MR is as ibv_reg_mr() would make it, and it works. */
static void complete(struct rig *rig)
{
	struct scene s;
	int err;

	scene_open_unregistered(&s, rig, MEM_HUGETLB, LEN);
	err = buf_reg_iova(&s.far, &mode_strict_2m, 0, LEN, SZ_1G, ACCESS_ALL);
	if (!is_errno(err, 0, "an MR with another iova"))
		return;
	ok(s.far.mr->addr == s.far.mem.addr && s.far.mr->length == LEN, "address and length");
	ok(s.far.mr->context == rig->ctx && s.far.mr->pd == rig->pd, "context and PD");
	ok(s.far.mr->lkey && s.far.mr->rkey, "keys");
	scene_shift(&s, 21, "as asked for");
	scene_write_pieces(&s, "a registration with a request");
	scene_read_pieces(&s, "a registration with a request");
	scene_intact(&s, "a registration with a request");
	scene_close(&s);
}

static void refused(struct rig *rig)
{
	struct mem base;
	long before;
	int i;

	mem_map(&base, MEM_BASE, LEN);
	memset(base.addr, 1, LEN);
	before = resource_count(rig, "mr");
	for (i = 0; i < 20; i++) {
		errno = 0;
		if (!ok(!reg(rig, &mode_strict_2m, &base, ACCESS_ALL), "refused"))
			break;
		is_errno(errno, ERANGE, "2M of base pages");
	}
	is_u64((uint64_t)resource_count(rig, "mr"), (uint64_t)before, "MRs as before");
	mem_unmap(&base);
}

int main(void)
{
	struct mem huge;
	struct rig rig;
	long before;

	rig_open(&rig);
	need_series(&rig);
	counted_fd = rig.ctx->cmd_fd;
	before = resource_count(&rig, "mr");
	mem_map(&huge, MEM_HUGETLB, LEN);
	counts(&rig, &huge);
	mem_unmap(&huge);
	complete(&rig);
	refused(&rig);
	is_u64((uint64_t)resource_count(&rig, "mr"), (uint64_t)before, "no MR is left");
	rig_close(&rig);
	return tap_done();
}
