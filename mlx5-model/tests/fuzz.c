// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * A hostile guest. One entry per interface: commands, work requests, registers, vfio-user messages.
 *
 *     mlx5-fuzz ENTRY SECONDS [SEED] random input that resembles valid input
 *
 * Built with MLX5_MODEL_LIBFUZZER (clang), the entry named by the environment's MLX5_FUZZ gets its input
 * from libFuzzer instead. Errors are found by the sanitizers, so build with them; the pages next to
 * the guest's memory are not mapped, so an access outside of it ends the program.
 */
#include "cache/params.h"
#include "cmd/memic.h"
#include "cmd/port.h"
#include "stand.h"
#include "vfio/pci.h"
#include "vfio/vfu.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

/* Input, read from front to back; zeros after its end */
struct input {
	const uint8_t *data;
	size_t length;
};

static uint64_t take(struct input *input, unsigned int bytes)
{
	uint64_t value = 0;

	while (bytes-- && input->length) {
		value = value << 8 | *input->data++;
		input->length--;
	}
	return value;
}

#define WORLD_BUFFER (256u << 10)
#define WORLD_QPS 15
#define WORLD_TARGET 13 /* the DC target, which does not send */
#define WORLD_BY_DOORBELL 1
#define WORLD_DC_KEY 0x1234567890ull
#define WORLD_GROUPS 4
#define WORLD_KEYS 9
#define WORLD_MEMIC 8 /* the key of device memory */

/*
 * A world with some objects of each kind, so that small numbers hit one. Some of the queue pairs
 * and the last keys are on a second device; the connected queue pairs there have their other ends
 * on the first. The two datagram queue pairs are attached to the first group. An initiator on each
 * device has the same DC target, the second one with streams.
 */
struct world {
	struct fabric fabric;
	struct stand b;
	struct stand far;
	struct stand_cq cq[2];
	struct stand_cq far_cq;
	struct stand_srq far_srq, target_srq;
	struct stand_qp qp[WORLD_QPS];
	uint32_t keys[WORLD_KEYS];
	uint64_t buffer;
};

static const struct {
	unsigned int service;
	bool far;
	unsigned int to;
} world_qps[WORLD_QPS] = {
	{ QP_RC, false, 1 }, { QP_RC, false, 0 }, { QP_UD, false, 2 },
	{ QP_UC, false, 3 }, { QP_RC, false, 6 }, { QP_REG_UMR, false, 5 },
	{ QP_RC, true, 4 },  { QP_XRC, true, 8 }, { QP_XRC, false, 7 },
	{ QP_UD, true, 2 },  { QP_GENERAL, false, 10 }, { QP_GENERAL, true, 11 },
	{ QP_DCI, false, WORLD_TARGET }, { QP_DCT, true, 12 }, { QP_DCI, true, WORLD_TARGET },
};

static bool world_datagrams(unsigned int index)
{
	return world_qps[index].service == QP_UD || world_qps[index].service == QP_GENERAL;
}

static struct stand *world_stand(struct world *w, const struct stand_qp *qp)
{
	return world_qps[qp - w->qp].far ? &w->far : &w->b;
}

/* A random queue pair that sends */
static struct stand_qp *take_sender(struct input *input, struct world *w)
{
	unsigned int index = take(input, 1) % WORLD_QPS;

	return &w->qp[index == WORLD_TARGET ? WORLD_TARGET - 1 : index];
}

static void put_group(uint8_t *gid, unsigned int group)
{
	static const uint8_t prefix[16] = { 0xff, 0x12, 0x40, 0x1b, 0xff, 0xff };

	memcpy(gid, prefix, sizeof(prefix));
	/* the last one is the broadcast group of IP */
	put_be32(gid + 12, group % WORLD_GROUPS == WORLD_GROUPS - 1 ? UINT32_MAX : group);
}

static void put_attachment(uint8_t *in, const struct stand_qp *qp, unsigned int group)
{
	put_be16(in, MLX5_CMD_OP_ATTACH_TO_MCG);
	IFC_SET(attach_to_mcg_in, in, qpn, qp->number);
	put_group(IFC_AT(attach_to_mcg_in, in, multicast_gid), group);
}

static void world_attach(struct world *w, const struct stand_qp *qp)
{
	uint8_t in[IFC_SIZE(attach_to_mcg_in)] = { 0 }, out[IFC_SIZE(attach_to_mcg_out)];

	put_attachment(in, qp, 0);
	if (stand_command(world_stand(w, qp), in, sizeof(in), out, sizeof(out)))
		abort();
}

static void put_memic(uint8_t *in, uint64_t address, uint64_t size)
{
	put_be16(in, MLX5_CMD_OP_ALLOC_MEMIC);
	IFC_SET(alloc_memic_in, in, range_start_addr, address);
	IFC_SET(alloc_memic_in, in, range_size, (size + MEMIC_PAGE - 1) / MEMIC_PAGE * MEMIC_PAGE);
	IFC_SET(alloc_memic_in, in, memic_size, size);
}

/* Two pages of device memory, and a key of most of it */
static uint32_t world_add_memic(struct stand *b)
{
	uint8_t in[IFC_SIZE(alloc_memic_in)] = { 0 }, out[IFC_SIZE(alloc_memic_out)];

	put_memic(in, CAPS_MEMIC_START, 2 * MEMIC_PAGE);
	if (stand_command(b, in, sizeof(in), out, sizeof(out)))
		abort();
	return stand_create_mkey(b, &(struct stand_mkey){
		.mode = MKEY_MEMIC, .start = CAPS_MEMIC_START + 64,
		.length = 2 * MEMIC_PAGE - 64,
	});
}

static void world_connect(struct world *w, struct stand_qp *qp)
{
	struct stand *b = world_stand(w, qp);
	struct qp *object;

	stand_connect(b, qp, &w->qp[world_qps[qp - w->qp].to]);
	object = qp_get(&b->dev, qp->number);
	if (object)
		object->mmo = object->service == QP_RC || object->service == QP_DCI;
}

/* kind: four bits, for the options of the devices */
static void world_init(struct world *w, unsigned int kind)
{
	uint8_t list[64] = { 0 };
	struct stand_mkey indirect = {
		.page_shift = 14, .list = list, .list_length = sizeof(list),
	};
	static const struct cache_params cache = {
		.mpt_sets = 4, .mpt_ways = 2, .mtt_sets = 8, .mtt_ways = 2, .line = 64,
		.packet = 65536, .miss = 1, .outstanding = 1, .base = 1, .link = 1, .deep = 4,
	};
	unsigned int i;

	const struct dev_options options = {
		.cache = kind & 2 ? &cache : NULL,
		.scheme = kind & 1 ? SCHEME_MEMORY : SCHEME_TRANSPORT,
		.fault_seed = kind & 2 ? kind : 0,
		.strict = kind & 4,
		.profile = kind & 8 ? PROFILE_NEW : PROFILE_DEFAULT,
		.strict_silent = true,
	};

	memset(&w->fabric, 0, sizeof(w->fabric));
	stand_join(&w->b, &w->fabric, &options);
	stand_join(&w->far, &w->fabric, &options);
	w->buffer = stand_alloc(&w->b, WORLD_BUFFER, 4096);
	while (stand_alloc(&w->far, 4096, 4096) < w->buffer + WORLD_BUFFER)
		;
	w->far_cq = stand_create_cq(&w->far);
	w->far_srq = kind & 8 ? stand_create_srq_1(&w->far, &w->far_cq) :
				stand_create_srq(&w->far, &w->far_cq);
	for (i = 0; i < 2; i++)
		w->cq[i] = stand_create_cq(&w->b);
	w->keys[0] = stand_register(&w->b, w->buffer, WORLD_BUFFER, 12, true);
	w->keys[1] = stand_register(&w->b, w->buffer, WORLD_BUFFER, 14, true);
	w->keys[2] = stand_register(&w->b, w->buffer, WORLD_BUFFER, 12, false);
	w->keys[3] = w->b.pa_key;
	indirect.start = w->buffer;
	for (i = 0; i < 4; i++) {
		put_be32(list + 16 * i, 1 << 14);
		put_be32(list + 16 * i + 4, i ? w->keys[i - 1] : w->b.dev.mkeys.next << 8);
		put_be64(list + 16 * i + 8, w->buffer + 4096 * i);
	}
	indirect.mode = MKEY_KSM;
	w->keys[4] = stand_create_mkey(&w->b, &indirect);
	indirect.mode = MKEY_KLM;
	put_be32(list + 4, w->b.dev.mkeys.next << 8);
	w->keys[5] = stand_create_mkey(&w->b, &indirect);
	w->keys[6] = stand_register(&w->far, w->buffer, WORLD_BUFFER, 12, true);
	w->keys[7] = stand_register(&w->far, w->buffer, WORLD_BUFFER, 12, false);
	w->keys[WORLD_MEMIC] = world_add_memic(&w->b);
	w->target_srq = kind & 8 ? stand_create_srq_1(&w->far, NULL) :
				   stand_create_srq(&w->far, &w->far_cq);
	w->far.log_streams = 2;
	w->far.log_errored = 2;
	w->qp[WORLD_TARGET] =
		stand_create_dct(&w->far, &w->far_cq, &w->target_srq, WORLD_DC_KEY);
	for (i = 0; i < WORLD_QPS; i++) {
		w->b.by_doorbell = i == WORLD_BY_DOORBELL;
		if (i != WORLD_TARGET)
			w->qp[i] = stand_create_qp(world_stand(w, &w->qp[i]),
						   world_qps[i].far ? &w->far_cq : &w->cq[i % 2],
						   world_qps[i].service);
	}
	for (i = 0; i < WORLD_QPS; i++)
		if (i != WORLD_TARGET)
			world_connect(w, &w->qp[i]);
	for (i = 0; i < WORLD_QPS; i++)
		if (world_qps[i].service == QP_UD)
			world_attach(w, &w->qp[i]);
}

static void world_destroy(struct world *w)
{
	stand_destroy(&w->b);
	stand_destroy(&w->far);
}

static void world_turn(struct world *w)
{
	unsigned int i;

	for (i = 0; i < 64 && stand_busy(&w->b); i++)
		model_work(&w->fabric);
}

/* Values that are valid more often than random ones */
static uint64_t take_value(struct input *input, const struct world *w)
{
	uint64_t v = take(input, 1);

	switch (v & 7) {
	case 0:
		return w->buffer + take(input, 2);
	case 1:
		return w->keys[(v >> 3) % WORLD_KEYS];
	case 2:
		return w->qp[(v >> 3) % WORLD_QPS].number;
	case 3:
		return take(input, 1);
	case 4:
		return take(input, 4);
	case 5:
		return STAND_BASE + STAND_SIZE - take(input, 2);
	case 6:
		return take(input, 8);
	}
	return v >> 3;
}

/* Keeps some receive WQEs posted; a count above the queue's size would make the queue invalid */
static void keep_receiving(struct world *w, struct stand_qp *qp, uint64_t address, uint32_t key,
			   uint32_t length)
{
	struct stand *b = world_stand(w, qp);
	const struct qp *object = table_get(&b->dev.qps, qp->number);

	if (object && (uint16_t)(qp->rq_next - object->rq_head) < 1 << (STAND_RQ_LOG - 1))
		stand_receive(b, qp, address, key, length);
}

/* Posts a datagram to a group or, without one, to the administrator */
static void post_datagram(struct world *w, struct stand_qp *qp, struct stand_wr *wr,
			  const uint8_t *group)
{
	const struct stand_qp to = {
		.number = group ? 0xffffff : 1,
		.lid = group ? FABRIC_MULTICAST_LID : FABRIC_MANAGER_LID,
	};

	wr->opcode = WQE_SEND;
	wr->datagram = &to;
	wr->gid = group;
	wr->qkey = group ? STAND_QKEY : STAND_GENERAL_QKEY;
	stand_post(world_stand(w, qp), qp, wr);
}

/* Sends to the current members of a group */
static void multicast_now(struct input *input, struct world *w)
{
	struct stand_wr wr = { .address = w->buffer, .lkey = w->keys[0], .length = 64 };
	uint8_t gid[16];
	unsigned int i;

	for (i = 0; i < WORLD_QPS; i++)
		if (world_qps[i].service == QP_UD)
			keep_receiving(w, &w->qp[i], w->buffer, w->keys[world_qps[i].far ? 6 : 0],
				       take(input, 1));
	put_group(gid, take(input, 1) % WORLD_GROUPS);
	post_datagram(w, &w->qp[2], &wr, gid);
}

/* A valid command for device memory or reserved numbers, now and then with one word changed */
static void put_object(struct input *input, uint8_t *in, const struct world *w)
{
	unsigned int v = take(input, 1);
	uint64_t address = CAPS_MEMIC_START + (v & 3) * MEMIC_PAGE;

	switch (v >> 2 & 7) {
	case 0:
		put_memic(in, address, 64 * take(input, 1));
		IFC_SET(alloc_memic_in, in, log_memic_addr_alignment, v >> 5);
		break;
	case 1:
		put_be16(in, MLX5_CMD_OP_DEALLOC_MEMIC);
		IFC_SET(dealloc_memic_in, in, memic_start_addr, address);
		IFC_SET(dealloc_memic_in, in, memic_size, 64 * take(input, 1));
		break;
	case 2:
	case 3:
		put_be16(in, MLX5_CMD_OP_MODIFY_MEMIC);
		IFC_SET(modify_memic_in, in, op_mod, v >> 5 & 1);
		IFC_SET(modify_memic_in, in, memic_operation_type, v >> 6);
		IFC_SET(modify_memic_in, in, memic_start_addr, address);
		break;
	case 4:
		put_be16(in, MLX5_CMD_OP_CREATE_MKEY);
		in = IFC_AT(create_mkey_in, in, memory_key_mkey_entry);
		IFC_SET(mkc, in, access_mode_1_0, MKEY_MEMIC & 3);
		IFC_SET(mkc, in, access_mode_4_2, MKEY_MEMIC >> 2);
		IFC_SET(mkc, in, start_addr, address + take(input, 1));
		IFC_SET(mkc, in, len, take(input, 2));
		IFC_SET(mkc, in, pd, w->b.pd);
		IFC_SET(mkc, in, qpn, MKEY_QPN_ANY);
		break;
	default:
		put_be16(in, v & 1 ? MLX5_CMD_OP_CREATE_GENERAL_OBJECT :
				     MLX5_CMD_OP_DESTROY_GENERAL_OBJECT);
		IFC_SET(general_obj_in_cmd_hdr, in, obj_type, OBJECT_RESERVED_QPN);
		IFC_SET(general_obj_in_cmd_hdr, in, obj_id,
			1u << CAPS_LOG_MAX_QP | (v >> 5) << CAPS_LOG_RESERVED_QPNS);
		if (v & 1)
			IFC_SET(general_obj_create_param,
				IFC_AT(general_obj_in_cmd_hdr, in, op_param.create), log_obj_range,
				CAPS_LOG_RESERVED_QPNS);
	}
	if (!(take(input, 1) & 7))
		put_be32(in + 8 + take(input, 1) % 32 * 4, take_value(input, w));
}

/* The target can run out of receive WQEs, or be gone */
static void send_to_target(struct input *input, struct world *w)
{
	unsigned int v = take(input, 1);

	if (v & 1)
		stand_receive_srq(&w->far, &w->target_srq, w->buffer, w->keys[v & 2 ? 6 : 7], 128);
	stand_post(&w->b, &w->qp[WORLD_TARGET - 1], &(struct stand_wr){
		.opcode = v & 4 ? WQE_SEND : WQE_READ,
		.remote = w->buffer, .rkey = w->keys[v & 8 ? 6 : 7],
		.address = w->buffer, .lkey = w->keys[v & 16 ? 0 : 2], .length = 64,
		.datagram = &w->qp[WORLD_TARGET], .dc_key = WORLD_DC_KEY + !(v & 96),
	});
}

/* A command on the DC target, or one that creates another one, now and then a wrong one */
static void put_target(struct input *input, const struct world *w, uint8_t *in)
{
	static const uint16_t others[] = {
		MLX5_CMD_OP_DRAIN_DCT, MLX5_CMD_OP_DESTROY_DCT, MLX5_CMD_OP_QUERY_DCT,
		MLX5_CMD_OP_ARM_DCT_FOR_KEY_VIOLATION,
	};
	uint8_t *context = IFC_AT(create_dct_in, in, dct_context_entry);
	unsigned int v = take(input, 1);

	if (v & 1) {
		put_be16(in, others[v >> 1 & 3]);
		put_be32(in + 8, w->qp[WORLD_TARGET].number + (v >> 3) % 4);
		return;
	}
	put_be16(in, MLX5_CMD_OP_CREATE_DCT);
	IFC_SET(dctc, context, state, 0);
	IFC_SET(dctc, context, pd, w->far.pd);
	IFC_SET(dctc, context, cqn, w->far_cq.number);
	IFC_SET(dctc, context, srqn_xrqn, w->target_srq.number + (v >> 1) % 2);
	IFC_SET(dctc, context, port, 1);
	IFC_SET(dctc, context, mtu, v >> 5);
	IFC_SET(dctc, context, my_addr_index, v >> 4);
	IFC_SET(dctc, context, dc_access_key, WORLD_DC_KEY);
}

static void fuzz_commands(struct input *input)
{
	static const uint16_t groups[] = { 0x100, 0x200, 0x300, 0x400, 0x500, 0x700,
					   0x760, 0x800, 0x900, 0xa00 };
	static uint8_t in[8192], out[8192];
	struct world w;
	unsigned int i;

	world_init(&w, take(input, 1));
	while (input->length) {
		size_t in_length = 16 + take(input, 2) % (sizeof(in) - 16);
		size_t out_length = take(input, 2) % sizeof(out);

		memset(in, 0, sizeof(in));
		put_be16(in, groups[take(input, 1) % (sizeof(groups) / sizeof(groups[0]))] + take(input, 1) % 24);
		put_be16(in + 6, take(input, 1) % 16);
		put_be32(in + 8, take(input, 1));
		for (i = take(input, 1) % 32; i; i--) {
			size_t at = take(input, 2) % (in_length - 8) & ~3u;

			put_be64(in + at, take_value(input, &w));
		}
		if (!(take(input, 1) & 7)) {
			i = take(input, 1);
			put_attachment(in, &w.qp[i % WORLD_QPS], take(input, 1) % WORLD_GROUPS);
			if (i & 0x80)
				put_be16(in, MLX5_CMD_OP_DETACH_FROM_MCG);
		}
		if (!(take(input, 1) & 3) && in_length >= 512) {
			memset(in, 0, in_length);
			put_object(input, in, &w);
		}
		if (!(take(input, 1) & 7))
			put_target(input, &w, in);
		i = take(input, 1);
		cmd_execute(i & 1 ? &w.far.dev : &w.b.dev, in, in_length, out, out_length);
		if (i == 2)
			model_reset(&w.far.dev);
		/* some traffic, so that the queue pairs have state */
		if (i & 4)
			stand_post(&w.b, &w.qp[4], &(struct stand_wr){
				.opcode = i & 8 ? WQE_WRITE : WQE_READ,
				.remote = w.buffer, .rkey = w.keys[i & 16 ? 6 : 7],
				.address = w.buffer, .lkey = w.keys[i & 32 ? 0 : 2],
				.length = 64,
			});
		if (i & 32)
			send_to_target(input, &w);
		if (i & 64)
			multicast_now(input, &w);
		world_turn(&w);
	}
	world_destroy(&w);
}

static void world_resume(struct stand *b, bool error)
{
	const uint8_t *e = NULL;

	if (b->dev.stats.page_faults > b->dev.stats.page_faults_resumed)
		e = stand_event(b, b->fault_ring, &b->fault_seen);
	if (e)
		stand_resume(b, e, error);
}

static const uint8_t opcodes[] = { WQE_NOP,	  WQE_SEND_INVALIDATE, WQE_WRITE,
				   WQE_WRITE_IMM, WQE_SEND,	       WQE_SEND_IMM,
				   WQE_READ,	  WQE_COMPARE_SWAP,    WQE_FETCH_ADD,
				   WQE_MMO,	  WQE_UMR };

/* Posts random bytes as a WQE */
static void post_anything(struct input *input, struct world *w, struct stand_qp *qp)
{
	struct stand *b = world_stand(w, qp);
	unsigned int units = take(input, 1) & 63, i;
	size_t at = (qp->sq_next & ((1 << STAND_SQ_LOG) - 1)) * 64;
	uint8_t *ring = stand_at(b, qp->sq), *rq = stand_at(b, qp->rq);

	for (i = 16; i < units * 16u; i += 4)
		put_be32(ring + (at + i) % (64 << STAND_SQ_LOG), take_value(input, w));
	put_be32(ring + at, opcodes[take(input, 1) % sizeof(opcodes)]);
	ring[at] = take(input, 1) & 1;
	put_be32(ring + at + 4, qp->number << 8 | units);
	put_be32(ring + at + 8, take(input, 1));
	put_be32(ring + at + 12, take_value(input, w));
	put_be32(rq + take(input, 2) % 1020, take_value(input, w));
	qp->sq_next += take(input, 1) % 32 ? (units + 3) / 4 : take(input, 2);
	qp->rq_next += take(input, 1) & 3;
	put_be32(stand_at(b, qp->doorbell) + 4, qp->sq_next);
	put_be32(stand_at(b, qp->doorbell), qp->rq_next);
	qp_doorbell(&b->dev, b->uar, qp->number);
	if (qp->by_doorbell)
		qp_doorbell_wqe(&b->dev, b->uar, ring + at);
}

/* A key of the device that this queue pair is on */
static uint32_t take_key(struct input *input, const struct world *w, const struct stand_qp *qp)
{
	unsigned int v = take(input, 1);

	if (world_qps[qp - w->qp].far)
		return w->keys[6 + (v & 1)];
	return w->keys[v % 7 == 6 ? WORLD_MEMIC : v % 7];
}

/* Posts a valid request to the other end, now and then with one word changed */
static void post_request(struct input *input, struct world *w, struct stand_qp *qp)
{
	unsigned int index = qp - w->qp, service = world_qps[index].service, v = take(input, 1);
	struct stand_qp *to = &w->qp[world_qps[index].to];
	struct stand *b = world_stand(w, qp);
	struct stand_wr wr = {
		.opcode = opcodes[v % (sizeof(opcodes) - 1)],
		.immediate = take(input, 1),
		.remote = w->buffer + 8 * (take(input, 2) % (WORLD_BUFFER / 8)),
		.rkey = take_key(input, w, to),
		.address = w->buffer + take(input, 2),
		.lkey = take_key(input, w, qp),
		.length = v & 0x80 ? 8 : take(input, 2) >> (v & 7),
		.xrc_srqn = service == QP_XRC ? w->far_srq.number : 0,
		.datagram = world_datagrams(index) ? &w->qp[v & 0x40 ? index : v % WORLD_QPS] :
						     NULL,
	};

	/* addresses of device memory count from 0 */
	if (wr.rkey == w->keys[WORLD_MEMIC])
		wr.remote -= w->buffer;
	if (wr.lkey == w->keys[WORLD_MEMIC])
		wr.address -= w->buffer;
	if (service == QP_DCI) {
		wr.datagram = to;
		wr.dc_key = WORLD_DC_KEY + !(take(input, 1) & 15);
		wr.stream = v & 7;
		stand_receive_srq(&w->far, &w->target_srq, w->buffer, take_key(input, w, to),
				  v & 0x20 ? WORLD_BUFFER / 2 : take(input, 1));
	} else if (service == QP_XRC) {
		stand_receive_srq(&w->far, &w->far_srq, w->buffer, take_key(input, w, to),
				  WORLD_BUFFER / 2);
	} else {
		stand_receive(world_stand(w, to), to, w->buffer, take_key(input, w, to),
			      v & 0x20 ? WORLD_BUFFER / 2 : take(input, 1));
	}
	stand_post(b, qp, &wr);
	if (!(take(input, 1) & 7))
		put_be32(stand_at(b, qp->sq) + take(input, 2) % (64 << STAND_SQ_LOG) / 4 * 4,
			 take_value(input, w));
}

/* A valid request to the administrator, now and then with one byte changed */
static void put_question(struct input *input, struct world *w, uint8_t *mad)
{
	static const uint8_t methods[] = { 0x01, 0x02, 0x02, 0x15, 0x12, 0x81, 0x07 };
	static const uint8_t attributes[] = { 0x01, 0x35, 0x35, 0x38, 0x38, 0x38, 0x11 };
	unsigned int v = take(input, 1);
	const struct dev *there = v & 0x40 ? &w->far.dev : &w->b.dev;
	const struct dev *here = v & 0x20 ? &w->far.dev : &w->b.dev;
	uint8_t *record = mad + 56;

	memset(mad, 0, SA_MAD_SIZE);
	put_be32(mad, 0x01030200 | methods[take(input, 1) % sizeof(methods)]);
	put_be16(mad + 16, attributes[v % sizeof(attributes)]);
	put_be64(mad + 48, v & 0x80 ? UINT64_MAX : take(input, 3));
	if (mad[17] == 0x35) {
		port_gid(there, v & 1, record + 8);
		port_gid(here, v & 2 ? 1 : 0, record + 24);
		put_be16(record + 40, there->lid);
		put_be16(record + 42, here->lid);
	} else {
		/* more groups than fit */
		put_group(record, take(input, 1));
		port_gid(here, v & 1, record + 16);
		put_be32(record + 32, take(input, 4));
		record[48] = take(input, 1);
	}
	if (!(take(input, 1) & 7))
		mad[take(input, 1)] = take(input, 1);
}

/* Posts to the administrator or to a group, with receive WQEs on all datagram queue pairs */
static void post_to_fabric(struct input *input, struct world *w, struct stand_qp *qp)
{
	bool far = world_qps[qp - w->qp].far;
	struct stand *b = world_stand(w, qp);
	unsigned int v = take(input, 1), i;
	struct stand_wr wr = {
		.address = w->buffer + take(input, 2),
		.lkey = v & 1 ? w->keys[far ? 6 : 0] : take_key(input, w, qp),
		.length = v & 6 ? SA_MAD_SIZE : take(input, 2),
	};
	uint8_t gid[16];

	for (i = 0; i < WORLD_QPS; i++)
		if (world_datagrams(i))
			keep_receiving(w, &w->qp[i], w->buffer + take(input, 2),
				       take_key(input, w, &w->qp[i]), 16 * take(input, 1));
	put_group(gid, v & 8 ? 0 : take(input, 1) % WORLD_GROUPS);
	if (world_qps[qp - w->qp].service == QP_GENERAL)
		put_question(input, w, stand_at(b, wr.address));
	post_datagram(w, qp, &wr, world_qps[qp - w->qp].service == QP_GENERAL ? NULL : gid);
	if (!(take(input, 1) & 7))
		put_be32(stand_at(b, qp->sq) + take(input, 2) % (64 << STAND_SQ_LOG) / 4 * 4,
			 take_value(input, w));
}

/* Takes qp out of the error state, in which it would execute nothing more */
static void revive(struct world *w, struct stand_qp *qp)
{
	struct stand *b = world_stand(w, qp);

	stand_modify(b, qp, MLX5_CMD_OP_2RST_QP, NULL);
	qp->sq_next = 0;
	qp->rq_next = 0;
	put_be64(stand_at(b, qp->doorbell), 0);
	world_connect(w, qp);
}

static void fuzz_wqes(struct input *input)
{
	struct world w;
	unsigned int i;

	world_init(&w, take(input, 1));
	/* two groups less than fit */
	for (i = 0; i < SA_GROUPS - 2; i++) {
		put_group(w.fabric.sa.groups[i].gid, i);
		w.fabric.sa.groups[i].joined[i & 1] = 1;
	}
	while (input->length) {
		struct stand_qp *qp = take_sender(input, &w);

		if (world_datagrams(qp - w.qp) && take(input, 1) & 3)
			post_to_fabric(input, &w, qp);
		else if (world_qps[qp - w.qp].service != QP_REG_UMR && take(input, 1) & 3)
			post_request(input, &w, qp);
		else
			post_anything(input, &w, qp);
		world_turn(&w);
		i = take(input, 1);
		world_resume(&w.b, !(i & 7));
		world_resume(&w.far, !(i & 56));
		if (!(take(input, 1) & 7)) {
			revive(&w, qp);
			if (world_qps[qp - w.qp].to != qp - w.qp &&
			    world_qps[qp - w.qp].to != WORLD_TARGET)
				revive(&w, &w.qp[world_qps[qp - w.qp].to]);
		}
	}
	world_destroy(&w);
}

static void fuzz_registers(struct input *input)
{
	static const uint16_t offsets[] = { 0x10, 0x14, 0x18, 0x20, 0x40, 0x48, 0x800, 0x600 };
	struct world w;
	uint8_t data[64];
	unsigned int i;

	world_init(&w, take(input, 1));
	for (i = 0; i < 4; i++)
		table_add(&w.b.dev.uars, &w);
	while (input->length) {
		uint64_t page = take(input, 1), offset = take(input, 1);
		size_t length = page & 0x80 ? 8 : 4;

		offset = offset & 0x80 ? take(input, 3) : (offset & 0x40 ? 0 : 16 + (page & 3)) << 12 |
							  offsets[offset & 7];
		if (page & 4 && offset >> 12)
			offset = CAPS_MEMIC_START + (offset & 3) * CAPS_MEMIC_SIZE +
				 take(input, 2) % (3 * MEMIC_PAGE);
		put_be64(data, take_value(input, &w));
		if (length == 8)
			put_be32(data, take_value(input, &w) << 8);
		if (!(page & 0x70))
			length = take(input, 1) % sizeof(data);
		pci_bar_write(&w.b.dev, page & 8 ? take(input, 1) & 7 : 0, offset, data, length);
		pci_bar_read(&w.b.dev, take(input, 1) & 7, offset, data, length);
		world_turn(&w);
	}
	world_destroy(&w);
}

static void fuzz_messages(struct input *input)
{
	static uint8_t payload[VFU_MESSAGE_MAX], reply[VFU_MESSAGE_MAX];
	struct fabric fabric = { 0 };
	struct dev dev;
	struct vfu vfu;
	unsigned int i;

	model_init(&dev, &fabric, &(struct dev_options){ 0 });
	vfu_init(&vfu, &dev, -1);
	while (input->length) {
		struct vfu_message m = {
			.id = 1, .command = take(input, 1) % 17, .payload = payload,
			.flags = take(input, 1), .length = take(input, 1),
		};

		for (i = 0; i + 4 <= m.length && i < 40; i += 4) {
			uint32_t v = take(input, 1);

			v = v & 0x80 ? take(input, 4) : v & 0x40 ? v << 12 : v & 15;
			memcpy(payload + i, &v, sizeof(v));
		}
		vfu_handle(&vfu, &m, reply);
	}
	vfu_destroy(&vfu);
	model_destroy(&dev);
}

static const struct {
	const char *name;
	void (*run)(struct input *input);
} entries[] = {
	{ "commands", fuzz_commands },
	{ "wqes", fuzz_wqes },
	{ "registers", fuzz_registers },
	{ "messages", fuzz_messages },
};

static void (*find(const char *name))(struct input *input)
{
	size_t i;

	for (i = 0; name && i < sizeof(entries) / sizeof(entries[0]); i++)
		if (!strcmp(entries[i].name, name))
			return entries[i].run;
	fprintf(stderr, "mlx5-fuzz: unknown entry '%s'\n", name ? name : "");
	exit(2);
}

#ifdef MLX5_LIBFUZZER
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t length)
{
	struct input input = { data, length };

	find(getenv("MLX5_FUZZ"))(&input);
	return 0;
}
#else
#define INPUT_MAX 4096

static uint64_t seed;

/* The seed of the round that failed: with it as SEED, that round is the first */
static void print_seed(void)
{
	fprintf(stderr, "mlx5-fuzz: the seed was %#llx\n", (unsigned long long)seed);
}

static void print_seed_on_signal(int number)
{
	print_seed();
	signal(number, SIG_DFL);
	raise(number);
}

void __sanitizer_set_death_callback(void (*callback)(void)) __attribute__((weak));

int main(int argc, char **argv)
{
	static uint8_t data[INPUT_MAX];
	struct dev random = { .random = argc > 3 ? strtoull(argv[3], NULL, 0) : dev_now() | 1 };
	uint64_t end, rounds = 0;
	size_t i;

	if (argc < 3 || !random.random) {
		fputs("usage: mlx5-fuzz ENTRY SECONDS [SEED]\n", stderr);
		return 2;
	}
	if (__sanitizer_set_death_callback)
		__sanitizer_set_death_callback(print_seed);
	else
		signal(SIGSEGV, print_seed_on_signal);
	signal(SIGABRT, print_seed_on_signal);
	end = dev_now() + strtoull(argv[2], NULL, 0) * 1000000000ull;
	do {
		struct input input = { data, sizeof(data) };

		seed = random.random;
		for (i = 0; i < sizeof(data); i++)
			data[i] = dev_random(&random) >> 24;
		find(argv[1])(&input);
		rounds++;
	} while (dev_now() < end);
	printf("%s: %llu rounds\n", argv[1], (unsigned long long)rounds);
	return 0;
}
#endif
