// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "cmd/cmd.h"

#include "base/reserved.h"
#include "cmd/cq.h"
#include "cmd/eq.h"
#include "cmd/handler.h"
#include "cmd/qp.h"
#include "reserved_fields.h"

#include <stdatomic.h>
#include <stdlib.h>

#define CMD_TYPE 7
#define CMD_INLINE 16
#define CMD_BLOCK 512
#define CMD_LENGTH_MAX (16u << 20)
/* Where each command has the number of the context that it is run for, 0 for the driver's own */
#define CMD_CONTEXT 2

/* When a command may be used; most only while the function is running */
enum cmd_when { ALWAYS = 1, NOT_DISABLED = 2, ISSI_0 = 4, ISSI_1 = 8 };

struct cmd_entry {
	uint16_t opcode;
	unsigned int when;
	const char *name;
	uint16_t in_size;
	uint16_t out_size;
	const struct reserved *reserved; /* fields of the input */
	enum cmd_status (*handler)(struct dev *dev, const struct cmd *cmd);
};

#define CMD_WHEN(op, type, handler, when)                                         \
	{ MLX5_CMD_OP_##op, when, #op, IFC_SIZE(type##_in), IFC_SIZE(type##_out), \
	  reserved_##type##_in, handler }
#define CMD(op, type, handler) CMD_WHEN(op, type, handler, 0)
/* The layout after the header depends on the object's type; in the header nothing is reserved */
static const struct reserved reserved_none[] = { { 0, 0, NULL } };
#define CMD_OBJECT(op, handler)                                                      \
	{ MLX5_CMD_OP_##op, 0, #op, IFC_SIZE(general_obj_in_cmd_hdr),                \
	  IFC_SIZE(general_obj_out_cmd_hdr), reserved_none, handler }

static const struct cmd_entry cmd_table[] = {
	CMD_WHEN(QUERY_HCA_CAP, query_hca_cap, hca_query_cap, NOT_DISABLED),
	CMD_WHEN(QUERY_ADAPTER, query_adapter, hca_query_adapter, NOT_DISABLED),
	CMD_WHEN(INIT_HCA, init_hca, hca_init, NOT_DISABLED),
	CMD_WHEN(TEARDOWN_HCA, teardown_hca, hca_teardown, NOT_DISABLED),
	CMD_WHEN(ENABLE_HCA, enable_hca, hca_enable, ALWAYS),
	CMD_WHEN(DISABLE_HCA, disable_hca, hca_disable, ALWAYS),
	CMD_WHEN(QUERY_PAGES, query_pages, hca_nothing, NOT_DISABLED),
	CMD_WHEN(SET_HCA_CAP, set_hca_cap, hca_set_cap, NOT_DISABLED),
	CMD_WHEN(QUERY_ISSI, query_issi, hca_query_issi, NOT_DISABLED),
	CMD_WHEN(SET_ISSI, set_issi, hca_set_issi, NOT_DISABLED),
	CMD(CREATE_MKEY, create_mkey, mkey_create),
	CMD(QUERY_MKEY, query_mkey, mkey_query),
	CMD(DESTROY_MKEY, destroy_mkey, mkey_destroy),
	CMD(QUERY_SPECIAL_CONTEXTS, query_special_contexts, hca_query_special_contexts),
	CMD(PAGE_FAULT_RESUME, page_fault_resume, fault_resume),
	CMD(ALLOC_MEMIC, alloc_memic, memic_alloc),
	CMD(DEALLOC_MEMIC, dealloc_memic, memic_dealloc),
	CMD(MODIFY_MEMIC, modify_memic, memic_modify),
	CMD(CREATE_EQ, create_eq, eq_create),
	CMD(DESTROY_EQ, destroy_eq, eq_destroy),
	CMD(CREATE_CQ, create_cq, cq_create),
	CMD(DESTROY_CQ, destroy_cq, cq_destroy),
	CMD(QUERY_CQ, query_cq, cq_query),
	CMD(MODIFY_CQ, modify_cq, cq_modify),
	CMD(CREATE_QP, create_qp, qp_create),
	CMD(DESTROY_QP, destroy_qp, qp_destroy),
	CMD(RST2INIT_QP, rst2init_qp, qp_modify),
	CMD(INIT2RTR_QP, init2rtr_qp, qp_modify),
	CMD(RTR2RTS_QP, rtr2rts_qp, qp_modify),
	CMD(RTS2RTS_QP, rts2rts_qp, qp_modify),
	CMD(2ERR_QP, qp_2err, qp_modify),
	CMD(2RST_QP, qp_2rst, qp_modify),
	CMD(INIT2INIT_QP, init2init_qp, qp_modify),
	CMD(QUERY_QP, query_qp, qp_query),
	CMD_WHEN(CREATE_SRQ, create_srq, srq_create, ISSI_0),
	CMD_WHEN(DESTROY_SRQ, destroy_srq, srq_destroy, ISSI_0),
	CMD_WHEN(QUERY_SRQ, query_srq, srq_query, ISSI_0),
	CMD_WHEN(ARM_RQ, arm_rq, srq_arm, ISSI_0),
	CMD_WHEN(CREATE_RMP, create_rmp, rmp_create, ISSI_1),
	CMD_WHEN(DESTROY_RMP, destroy_rmp, rmp_destroy, ISSI_1),
	CMD_WHEN(QUERY_RMP, query_rmp, rmp_query, ISSI_1),
	CMD_WHEN(MODIFY_RMP, modify_rmp, rmp_modify, ISSI_1),
	CMD_WHEN(CREATE_XRC_SRQ, create_xrc_srq, xrc_srq_create, ISSI_1),
	CMD_WHEN(DESTROY_XRC_SRQ, destroy_xrc_srq, xrc_srq_destroy, ISSI_1),
	CMD_WHEN(QUERY_XRC_SRQ, query_xrc_srq, xrc_srq_query, ISSI_1),
	CMD_WHEN(ARM_XRC_SRQ, arm_xrc_srq, xrc_srq_arm, ISSI_1),
	CMD(QUERY_HCA_VPORT_CONTEXT, query_hca_vport_context, port_query_context),
	CMD(MODIFY_HCA_VPORT_CONTEXT, modify_hca_vport_context, port_modify_context),
	CMD(CREATE_DCT, create_dct, dct_create),
	CMD(DESTROY_DCT, destroy_dct, dct_destroy),
	CMD(DRAIN_DCT, drain_dct, dct_drain),
	CMD(QUERY_DCT, query_dct, dct_query),
	CMD(ARM_DCT_FOR_KEY_VIOLATION, arm_dct, dct_arm),
	CMD(QUERY_HCA_VPORT_GID, query_hca_vport_gid, port_query_gid),
	CMD(QUERY_HCA_VPORT_PKEY, query_hca_vport_pkey, port_query_pkey),
	CMD(ALLOC_PD, alloc_pd, res_alloc_pd),
	CMD(DEALLOC_PD, dealloc_pd, res_dealloc_pd),
	CMD(ALLOC_UAR, alloc_uar, res_alloc_uar),
	CMD(DEALLOC_UAR, dealloc_uar, res_dealloc_uar),
	CMD(ACCESS_REG, access_register, port_access_register),
	CMD(ATTACH_TO_MCG, attach_to_mcg, multicast_attach),
	CMD(DETACH_FROM_MCG, detach_from_mcg, multicast_detach),
	CMD(NOP, nop, hca_nothing),
	CMD(ALLOC_XRCD, alloc_xrcd, res_alloc_xrcd),
	CMD(DEALLOC_XRCD, dealloc_xrcd, res_dealloc_xrcd),
	CMD(CREATE_UCTX, create_uctx, res_create_context),
	CMD(DESTROY_UCTX, destroy_uctx, res_destroy_context),
	CMD_OBJECT(CREATE_GENERAL_OBJECT, object_create),
	CMD_OBJECT(DESTROY_GENERAL_OBJECT, object_destroy),
	CMD(CREATE_UMEM, create_umem, umem_create),
	CMD(DESTROY_UMEM, destroy_umem, umem_destroy),
	CMD(ALLOC_FLOW_COUNTER, alloc_flow_counter, res_alloc_counter),
	CMD(DEALLOC_FLOW_COUNTER, dealloc_flow_counter, res_dealloc_counter),
	CMD(CREATE_FLOW_TABLE, create_flow_table, res_create_flow_table),
	CMD(DESTROY_FLOW_TABLE, destroy_flow_table, res_destroy_flow_table),
	CMD(CREATE_FLOW_GROUP, create_flow_group, res_create_flow_group),
	CMD(DESTROY_FLOW_GROUP, destroy_flow_group, res_destroy_flow_group),
	CMD(SET_FLOW_TABLE_ENTRY, set_fte, flow_set_entry),
	CMD(DELETE_FLOW_TABLE_ENTRY, delete_fte, flow_delete_entry),
};

static const struct cmd_entry *cmd_find(uint16_t opcode)
{
	size_t i;

	for (i = 0; i < sizeof(cmd_table) / sizeof(cmd_table[0]); i++)
		if (cmd_table[i].opcode == opcode)
			return &cmd_table[i];
	return NULL;
}

bool cmd_is_known(const char *name)
{
	size_t i;

	for (i = 0; i < sizeof(cmd_table) / sizeof(cmd_table[0]); i++)
		if (!strcmp(cmd_table[i].name, name))
			return true;
	return false;
}

/* The fields that applications use in their own commands and that are reserved for the driver */
static const struct reserved_used *used_fields(uint16_t opcode)
{
	switch (opcode) {
	case MLX5_CMD_OP_CREATE_CQ:
		return cq_umem_fields;
	case MLX5_CMD_OP_CREATE_QP:
		return qp_umem_fields;
	case MLX5_CMD_OP_INIT2INIT_QP:
	case MLX5_CMD_OP_RTS2RTS_QP:
		return qp_extension_fields;
	default:
		return NULL;
	}
}

/* An application's commands are in a context that the driver has created for it */
static bool cmd_has_context(const struct dev *dev)
{
	return table_is_driver(dev->context) || table_get(&dev->contexts, dev->context);
}

static enum cmd_status cmd_run(struct dev *dev, const struct cmd_entry *entry, const uint8_t *in,
			       size_t in_length, uint8_t *out, size_t out_length)
{
	struct cmd cmd = { .in_length = in_length, .out_length = out_length };
	size_t out_size = out_length > entry->out_size ? out_length : entry->out_size;
	uint8_t *buffer, *reply;
	enum cmd_status status = CMD_NO_RESOURCES;

	/* a handler accesses its whole struct, even if the driver passed less */
	buffer = calloc(1, in_length > entry->in_size ? in_length : entry->in_size);
	reply = calloc(1, out_size);
	if (buffer && reply) {
		memcpy(buffer, in, in_length);
		dev->context = get_be16(buffer + CMD_CONTEXT);
		if (!dev->context && (in_length < entry->in_size || out_length < entry->out_size))
			strict_report(dev, "command %s has %zu bytes of %u, its reply %zu of %u",
				      entry->name, in_length, entry->in_size, out_length,
				      entry->out_size);
		reserved_report(dev, "command", entry->name, entry->reserved,
				dev->context ? used_fields(entry->opcode) : NULL, buffer);
		cmd.in = buffer;
		cmd.out = reply;
		status = cmd_has_context(dev) ? entry->handler(dev, &cmd) : CMD_BAD_RESOURCE;
		dev->context = 0;
		memcpy(out, reply, out_length);
	}
	free(buffer);
	free(reply);
	return status;
}

static bool cmd_is_due(const struct dev *dev, const struct cmd_entry *entry)
{
	return entry->when & ALWAYS || dev->state == DEV_RUNNING ||
	       (entry->when & NOT_DISABLED && dev->state == DEV_ENABLED);
}

void cmd_execute(struct dev *dev, uint8_t *in, size_t in_length, uint8_t *out, size_t out_length)
{
	const struct cmd_entry *entry;
	enum cmd_status status;
	uint16_t opcode = 0, modifier = 0;

	memset(out, 0, out_length);
	if (in_length >= 8) {
		opcode = get_be16(in);
		modifier = get_be16(in + 6);
	}
	entry = cmd_find(opcode);
	if (!entry || entry->when & (dev->issi ? ISSI_0 : ISSI_1))
		status = CMD_BAD_OP;
	else if (in_length < 8)
		status = CMD_BAD_INPUT_LENGTH;
	else if (out_length < 8)
		status = CMD_BAD_OUTPUT_LENGTH;
	else if (!cmd_is_due(dev, entry))
		status = CMD_BAD_SYSTEM_STATE;
	else if (dev_fails(dev, entry->name))
		status = CMD_INTERNAL;
	else
		status = cmd_run(dev, entry, in, in_length, out, out_length);
	dev->stats.commands++;
	dev->stats.commands_failed += status != CMD_OK;
	trace(dev, "command %#x %s modifier %#x: status %#x", opcode, entry ? entry->name : "?",
	      modifier, status);
	/* the status is the first byte of every reply */
	if (out_length)
		out[0] = status;
}

/* Copies the bytes after the inline ones, which are in a chain of blocks; to the guest if write */
static bool cmd_mailbox(struct dev *dev, uint64_t block, uint8_t *data, size_t length, bool write)
{
	uint8_t next[8];

	while (length) {
		size_t n = length < CMD_BLOCK ? length : CMD_BLOCK;

		if (!(write ? guest_write(&dev->guest, block, data, n) :
			      guest_read(&dev->guest, block, data, n)))
			return false;
		data += n;
		length -= n;
		if (!length)
			break;
		if (!guest_read(&dev->guest, block + IFC_OFFSET(cmd_if_box, next_pointer_63_32),
				next, sizeof(next)))
			return false;
		block = get_be64(next) & ~(uint64_t)0x3ff;
	}
	return true;
}

static uint64_t cmd_pointer(const uint8_t *high_and_low)
{
	return get_be64(high_and_low) & ~(uint64_t)0x1ff;
}

static bool cmd_input(struct dev *dev, const uint8_t *slot, uint8_t *data, size_t length)
{
	size_t n = length < CMD_INLINE ? length : CMD_INLINE;

	memcpy(data, IFC_AT_CONST(cmd_queue_entry, slot, command_input_inline_data), n);
	return cmd_mailbox(dev,
			   cmd_pointer(IFC_AT_CONST(cmd_queue_entry, slot,
						    input_mailbox_pointer_63_32)),
			   data + n, length - n, false);
}

static bool cmd_output(struct dev *dev, uint8_t *slot, uint8_t *data, size_t length)
{
	size_t n = length < CMD_INLINE ? length : CMD_INLINE;

	memcpy(IFC_AT(cmd_queue_entry, slot, command_output_inline_data), data, n);
	return cmd_mailbox(dev,
			   cmd_pointer(IFC_AT_CONST(cmd_queue_entry, slot,
						    output_mailbox_pointer_63_32)),
			   data + n, length - n, true);
}

/* Returns true if the device owned the slot and has returned it to the driver. */
static bool cmd_slot(struct dev *dev, uint64_t address)
{
	uint8_t slot[IFC_SIZE(cmd_queue_entry)];
	size_t in_length, out_length, last = sizeof(slot) - 1;
	uint8_t *in = NULL, *out = NULL;

	if (!guest_read(&dev->guest, address, slot, sizeof(slot)) ||
	    IFC_GET(cmd_queue_entry, slot, type) != CMD_TYPE || !(slot[last] & 1))
		return false;
	in_length = IFC_GET(cmd_queue_entry, slot, input_length);
	out_length = IFC_GET(cmd_queue_entry, slot, output_length);
	if (in_length <= CMD_LENGTH_MAX && out_length <= CMD_LENGTH_MAX) {
		in = calloc(1, in_length + 1);
		out = calloc(1, out_length + 1);
	}
	/* the last byte: 7 bits of delivery status, then the owner */
	slot[last] = 0;
	if (!in || !out || !cmd_input(dev, slot, in, in_length)) {
		slot[last] = CMD_BAD_INPUT_LENGTH << 1;
	} else {
		cmd_execute(dev, in, in_length, out, out_length);
		if (!cmd_output(dev, slot, out, out_length))
			slot[last] = CMD_BAD_OUTPUT_LENGTH << 1;
	}
	free(in);
	free(out);
	if (!guest_write(&dev->guest, address, slot, last))
		return false;
	atomic_thread_fence(memory_order_release);
	return guest_write(&dev->guest, address + last, slot + last, 1);
}

void cmd_doorbell(struct dev *dev, uint32_t slots)
{
	unsigned int i;

	for (i = 0; i < 1u << CMD_LOG_SLOTS; i++) {
		uint8_t data[EQE_DATA] = { 0 };
		bool with_event = eq_for_event(dev, EVENT_COMMAND) != NULL;

		if (!(slots & 1u << i) ||
		    !cmd_slot(dev, dev->command_queue + ((uint64_t)i << CMD_LOG_STRIDE)))
			continue;
		/* not for the command that creates the EQ: the driver still polls for it */
		put_be32(data, 1u << i);
		if (with_event)
			eq_event(dev, EVENT_COMMAND, 0, data);
	}
}
