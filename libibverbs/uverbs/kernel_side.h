/* SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB */
/*
 * The form in which the kernel has page size requests for a device, and the numbers of its methods
 * and attributes, which no other code contains. <rdma/ib_user_hugeodp.h> describes the forms.
 */
#ifndef HUGEODP_KERNEL_SIDE_H
#define HUGEODP_KERNEL_SIDE_H

#include <stdbool.h>
#include <stdint.h>

struct ibv_device;

struct kernel_side {
	const char *mark; /* content of HUGEODP_MARK_FILE, without the newline */
	const char *name; /* for users */

	/* the patch series: ib_core has its fixes, and @query_mr is the core's QUERY_MR */
	bool in_core;

	uint16_t query_pages; /* method of UVERBS_OBJECT_DEVICE */
	uint16_t modify_mr;   /* methods of UVERBS_OBJECT_MR */
	uint16_t watch_mr;
	uint16_t query_mr;
	uint16_t query_mr_handle; /* attributes of @query_mr */
	uint16_t query_mr_state;
	uint16_t query_mr_blocks;
	uint16_t query_mr_pages;
	uint16_t reg_mr_request; /* attributes of UVERBS_METHOD_REG_MR */
	uint16_t reg_mr_page_shift;
	uint16_t reg_mr_entries;
};

/*
 * Read the mark of the device. Sets @side to NULL if there is none or an unknown one: then none of
 * these numbers may be sent to the device. Returns 0, or an errno value if the process has no
 * resources left to read it.
 */
int kernel_side_read(const struct ibv_device *device, const struct kernel_side **side);

#endif
