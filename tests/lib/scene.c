// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "scene.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "tap.h"

#define MTU 4096

void scene_open_unregistered(struct scene *scene, struct rig *rig, enum mem_kind kind, size_t len)
{
	scene->rig = rig;
	snprintf(scene->name, sizeof(scene->name), "%s", mem_name(kind));
	buf_make(&scene->near, rig, MEM_BASE, len, &mode_pinned);
	buf_open(&scene->far, rig->far, kind, len);
	pair_open(&scene->pair, rig, MTU);
}

void scene_open(struct scene *scene, struct rig *rig, const struct mode *mode, enum mem_kind kind,
		size_t len)
{
	int err;

	scene_open_unregistered(scene, rig, kind, len);
	snprintf(scene->name, sizeof(scene->name), "%s over %s", mode->name, mem_name(kind));
	err = buf_reg(&scene->far, mode, 0, len);
	if (err)
		fatal("%s: MR of %zu KiB: %s", scene->name, len >> 10, strerror(err));
}

void scene_close(struct scene *scene)
{
	pair_close(&scene->pair);
	buf_close(&scene->near);
	buf_close(&scene->far);
}

static struct xfer between(struct scene *scene, enum op op, size_t at, size_t len)
{
	return (struct xfer){
		.op = op,
		.near = &scene->near,
		.near_at = at,
		.far = &scene->far,
		.far_at = at,
		.len = len,
	};
}

bool scene_write(struct scene *scene, size_t at, size_t len, const char *what)
{
	struct xfer x = between(scene, OP_WRITE, at, len);

	return ok(xfer_verify(&scene->pair, &x), "%s: %s: WRITE of %zu KiB at %zu", scene->name,
		  what, len >> 10, at);
}

bool scene_read(struct scene *scene, size_t at, size_t len, const char *what)
{
	struct xfer x = between(scene, OP_READ, at, len);

	/* what the target held before must not pass for what is read */
	buf_fill(&scene->near, at, len);
	return ok(xfer_verify_as_is(&scene->pair, &x), "%s: %s: READ of %zu KiB at %zu",
		  scene->name, what, len >> 10, at);
}


static bool pieces(struct scene *scene, enum op op, const char *what)
{
	unsigned int bad = 0;

	for (size_t at = 0; at < scene->far.mem.len; at += SZ_1M) {
		struct xfer x = between(scene, op, at > PIECE / 2 ? at - PIECE / 2 : at, PIECE);

		if (op == OP_READ)
			buf_fill(&scene->near, x.near_at, x.len);
		bad += !(op == OP_READ ? xfer_verify_as_is(&scene->pair, &x)
				       : xfer_verify(&scene->pair, &x));
	}
	return ok(!bad, "%s: %s: %s of pieces of the whole MR", scene->name, what, op_name(op));
}

bool scene_write_pieces(struct scene *scene, const char *what)
{
	return pieces(scene, OP_WRITE, what);
}

bool scene_read_pieces(struct scene *scene, const char *what)
{
	return pieces(scene, OP_READ, what);
}

static bool fails(struct scene *scene, enum op op, size_t at, size_t len, const char *what)
{
	struct xfer x = between(scene, op, at, len);
	char text[160];

	snprintf(text, sizeof(text), "%s: %s", scene->name, what);
	buf_fill(&scene->near, at, len);
	return xfer_fails(&scene->pair, &x, IBV_WC_REM_ACCESS_ERR, text);
}

bool scene_write_fails(struct scene *scene, size_t at, size_t len, const char *what)
{
	return fails(scene, OP_WRITE, at, len, what);
}

bool scene_read_fails(struct scene *scene, size_t at, size_t len, const char *what)
{
	return fails(scene, OP_READ, at, len, what);
}

enum ibv_wc_status scene_access(struct scene *scene, const struct ibv_mr *mr, const uint8_t *at,
				enum ibv_wr_opcode opcode)
{
	struct ibv_sge sge = {
		.addr = (uintptr_t)scene->near.mem.addr,
		.length = PIECE,
		.lkey = scene->near.mr->lkey,
	};
	struct ibv_send_wr wr = {
		.opcode = opcode,
		.send_flags = IBV_SEND_SIGNALED,
		.sg_list = &sge,
		.num_sge = 1,
		.wr.rdma = { (uintptr_t)at, mr->rkey },
	};

	post_send(&scene->pair, &wr);
	return pair_wait(&scene->pair, NEAR).status;
}

void scene_spot(struct scene *scene, struct ibv_mr *mr, uint8_t *at)
{
	static uint8_t want[PIECE];

	pattern_fill(want, (uintptr_t)at, 0, PIECE);
	memcpy(scene->near.mem.addr, want, PIECE);
	is_u64(scene_access(scene, mr, at, IBV_WR_RDMA_WRITE), IBV_WC_SUCCESS, "WRITE at %p",
	       (void *)at);
	ok(!memcmp(at, want, PIECE), "every byte at %p", (void *)at);
	/* what the target held before must not pass for what is read */
	memset(scene->near.mem.addr, 0, PIECE);
	is_u64(scene_access(scene, mr, at, IBV_WR_RDMA_READ), IBV_WC_SUCCESS, "READ at %p",
	       (void *)at);
	ok(!memcmp(scene->near.mem.addr, want, PIECE), "every byte read at %p", (void *)at);
}

bool scene_shift(struct scene *scene, uint32_t want, const char *what)
{
	return is_u64(buf_state(&scene->far).page_shift, want, "%s: %s: page shift", scene->name,
		      what);
}

bool scene_intact(struct scene *scene, const char *what)
{
	return ok(buf_check_all(&scene->far), "%s: %s: every byte as it must be", scene->name,
		  what);
}
