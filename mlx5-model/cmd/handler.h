/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/* Arguments and status of command handlers, and all handlers. cmd.c calls them. */
#ifndef MLX5_MODEL_HANDLER_H
#define MLX5_MODEL_HANDLER_H

#include "base/dev.h"

enum cmd_status {
	CMD_OK = 0x0,
	CMD_INTERNAL = 0x1,
	CMD_BAD_OP = 0x2,
	CMD_BAD_PARAM = 0x3,
	CMD_BAD_SYSTEM_STATE = 0x4,
	CMD_BAD_RESOURCE = 0x5,
	CMD_LIMIT = 0x8,
	CMD_BAD_RESOURCE_STATE = 0x9,
	CMD_NO_RESOURCES = 0xf,
	CMD_BAD_INPUT_LENGTH = 0x50,
	CMD_BAD_OUTPUT_LENGTH = 0x51,
};

/* Both buffers have at least the size in the table; bytes that the driver left out are zero. */
struct cmd {
	const uint8_t *in;
	size_t in_length;
	uint8_t *out;
	size_t out_length;
};

/* The input from a field to its end, e.g. a page list */
#define CMD_TAIL(cmd, type, field, length) \
	cmd_tail(cmd, IFC_OFFSET(type, field), length)
static inline const uint8_t *cmd_tail(const struct cmd *cmd, size_t offset, size_t *length)
{
	*length = cmd->in_length > offset ? cmd->in_length - offset : 0;
	return cmd->in + offset;
}

/* Handlers, by file. A handler that only fills in its reply is in hca.c. */
#define CMD_HANDLER(name) enum cmd_status name(struct dev *dev, const struct cmd *cmd)
CMD_HANDLER(hca_nothing);
CMD_HANDLER(hca_enable);
CMD_HANDLER(hca_init);
CMD_HANDLER(hca_teardown);
CMD_HANDLER(hca_disable);
CMD_HANDLER(hca_query_issi);
CMD_HANDLER(hca_set_issi);
CMD_HANDLER(hca_query_cap);
CMD_HANDLER(hca_set_cap);
CMD_HANDLER(hca_query_adapter);
CMD_HANDLER(hca_query_special_contexts);
CMD_HANDLER(port_query_context);
CMD_HANDLER(port_modify_context);
CMD_HANDLER(port_query_gid);
CMD_HANDLER(port_query_pkey);
CMD_HANDLER(port_access_register);
CMD_HANDLER(res_alloc_pd);
CMD_HANDLER(res_dealloc_pd);
CMD_HANDLER(res_alloc_uar);
CMD_HANDLER(res_dealloc_uar);
CMD_HANDLER(res_alloc_xrcd);
CMD_HANDLER(res_dealloc_xrcd);
CMD_HANDLER(res_create_context);
CMD_HANDLER(res_destroy_context);
CMD_HANDLER(res_alloc_counter);
CMD_HANDLER(res_dealloc_counter);
CMD_HANDLER(res_create_flow_table);
CMD_HANDLER(res_destroy_flow_table);
CMD_HANDLER(res_create_flow_group);
CMD_HANDLER(res_destroy_flow_group);
CMD_HANDLER(flow_set_entry);
CMD_HANDLER(flow_delete_entry);
CMD_HANDLER(multicast_attach);
CMD_HANDLER(multicast_detach);
CMD_HANDLER(memic_alloc);
CMD_HANDLER(memic_dealloc);
CMD_HANDLER(memic_modify);
CMD_HANDLER(object_create);
CMD_HANDLER(object_destroy);
CMD_HANDLER(umem_create);
CMD_HANDLER(umem_destroy);
CMD_HANDLER(eq_create);
CMD_HANDLER(eq_destroy);
CMD_HANDLER(cq_create);
CMD_HANDLER(cq_destroy);
CMD_HANDLER(cq_query);
CMD_HANDLER(cq_modify);
CMD_HANDLER(srq_create);
CMD_HANDLER(srq_destroy);
CMD_HANDLER(srq_query);
CMD_HANDLER(srq_arm);
CMD_HANDLER(rmp_create);
CMD_HANDLER(rmp_destroy);
CMD_HANDLER(rmp_query);
CMD_HANDLER(rmp_modify);
CMD_HANDLER(xrc_srq_create);
CMD_HANDLER(xrc_srq_destroy);
CMD_HANDLER(xrc_srq_query);
CMD_HANDLER(xrc_srq_arm);
CMD_HANDLER(mkey_create);
CMD_HANDLER(mkey_query);
CMD_HANDLER(mkey_destroy);
CMD_HANDLER(qp_create);
CMD_HANDLER(qp_destroy);
CMD_HANDLER(qp_modify);
CMD_HANDLER(qp_query);
CMD_HANDLER(dct_create);
CMD_HANDLER(dct_drain);
CMD_HANDLER(dct_destroy);
CMD_HANDLER(dct_query);
CMD_HANDLER(dct_arm);
CMD_HANDLER(fault_resume);

#endif
