// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
#include "base/caps.h"

/*
 * A capability is set only if the model implements everything that the drivers then use. IB link
 * layer, no Ethernet; README.md lists the optional features and the reason for each.
 */
static void caps_general(uint8_t *caps)
{
#define CAP(field, value) IFC_SET(cmd_hca_cap, caps, field, value)
	/* the driver need not give pages to the device */
	CAP(page_request_disable, 1);
	CAP(num_ports, 1);
	CAP(port_type, 0);
	CAP(ib_virt, 1);
	CAP(log_pg_sz, 12);
	CAP(log_bf_reg_size, 9);
	CAP(device_frequency_khz, 1000000);
	CAP(device_frequency_mhz, 1000);

	CAP(log_max_eq, CAPS_LOG_MAX_EQ);
	CAP(log_max_eq_sz, 16);
	CAP(log_max_qp, CAPS_LOG_MAX_QP);
	CAP(log_max_qp_sz, CAPS_LOG_MAX_QP_SZ);
	CAP(log_max_cq, CAPS_LOG_MAX_CQ);
	CAP(log_max_cq_sz, CAPS_LOG_MAX_CQ_SZ);
	CAP(log_max_srq, CAPS_LOG_MAX_SRQ);
	CAP(log_max_srq_sz, CAPS_LOG_MAX_SRQ_SZ);
	CAP(log_max_mkey, CAPS_LOG_MAX_MKEY);
	CAP(log_max_pd, CAPS_LOG_MAX_PD);
	CAP(log_max_xrcd, CAPS_LOG_MAX_XRCD);
	CAP(log_max_uctx, CAPS_LOG_MAX_CONTEXT);
	CAP(log_max_umem, CAPS_LOG_MAX_UMEM);
	CAP(log_max_mcg, CAPS_LOG_MAX_GROUP);
	CAP(max_qp_mcg, CAPS_MAX_ATTACHED);
	CAP(log_max_msg, 30);
	CAP(log_max_mrw_sz, 64);
	CAP(log_max_ra_req_qp, 4);
	CAP(log_max_ra_res_qp, 4);
	CAP(log_max_klm_list_size, 16);
	CAP(max_indirection, CAPS_MAX_INDIRECTION);
	CAP(max_wqe_sz_sq, CAPS_MAX_SQ_WQE);
	CAP(max_wqe_sz_rq, CAPS_MAX_RQ_WQE);

	CAP(rc, 1);
	CAP(uc, 1);
	CAP(ud, 1);
	CAP(xrc, 1);
	CAP(dct, 1);
	CAP(log_max_ra_req_dc, 4);
	CAP(log_max_ra_res_dc, 4);
	CAP(qpc_extension, 1);
	CAP(log_max_dci_stream_channels, CAPS_LOG_MAX_STREAMS);
	CAP(log_max_dci_errored_streams, CAPS_LOG_MAX_ERRORED);
	ifc_set(caps, CAPS_DMA_MMO_QP_BIT, 1, 1);
	ifc_set(caps, CAPS_LOG_DMA_MMO_MAX_SIZE_BIT, CAPS_LOG_DMA_MMO_MAX_SIZE_WIDTH,
		CAPS_LOG_MAX_MEMCPY);
	CAP(imaicl, 1);
	CAP(atomic, 1);
	CAP(cq_oi, 1);
	CAP(cq_resize, 1);
	CAP(cqe_128_always, 1);
	CAP(hca_cap_2, 1);
	CAP(device_memory, 1);
	CAP(general_obj_types, 1ull << OBJECT_RESERVED_QPN | 1ull << OBJECT_AV_QP_MAPPING);
	CAP(dp_ordering_ooo_all_rc, 1);
	CAP(dp_ordering_ooo_all_xrc, 1);
	CAP(dp_ordering_ooo_all_dc, 1);
	CAP(dp_ordering_ooo_all_uc, 1);
	CAP(dp_ordering_ooo_all_ud, 1);

	/* ODP, and what implicit MRs need */
	CAP(pg, 1);
	CAP(fixed_buffer_size, 1);
	CAP(null_mkey, 1);
	CAP(terminate_scatter_list_mkey, 1);
	CAP(umr_extended_translation_offset, 1);
#undef CAP
}

static void caps_odp_scheme(uint8_t *scheme)
{
#define ALL(service)                                                             \
	do {                                                                     \
		IFC_SET(odp_scheme_cap, scheme, service.send, 1);                \
		IFC_SET(odp_scheme_cap, scheme, service.receive, 1);             \
		IFC_SET(odp_scheme_cap, scheme, service.write, 1);               \
		IFC_SET(odp_scheme_cap, scheme, service.read, 1);                \
		IFC_SET(odp_scheme_cap, scheme, service.atomic, 1);              \
		IFC_SET(odp_scheme_cap, scheme, service.srq_receive, 1);         \
	} while (0)
	ALL(rc_odp_caps);
	ALL(xrc_odp_caps);
	ALL(dc_odp_caps);
#undef ALL
	IFC_SET(odp_scheme_cap, scheme, ud_odp_caps.send, 1);
	/* cards set only the other one; no driver reads this */
	IFC_SET(odp_scheme_cap, scheme, ud_odp_caps.receive, 1);
	IFC_SET(odp_scheme_cap, scheme, page_prefetch, 1);
}

static void caps_odp(struct dev *dev)
{
	caps_odp_scheme(IFC_AT(odp_cap, dev->caps_odp, transport_page_fault_scheme_cap));
	if (dev->options.scheme != SCHEME_MEMORY)
		return;
	caps_odp_scheme(IFC_AT(odp_cap, dev->caps_odp, memory_page_fault_scheme_cap));
	/* in the other scheme, drivers would have to find the buffers in the WQE */
	ifc_set(IFC_AT(odp_cap, dev->caps_odp, memory_page_fault_scheme_cap),
		CAPS_ODP_LOCAL_MMO_BIT, 1, 1);
	IFC_SET(odp_cap, dev->caps_odp, mem_page_fault, 1);
}

static void caps_atomic(uint8_t *caps)
{
	IFC_SET(atomic_caps, caps, supported_atomic_req_8B_endianness_mode_1, 1);
	IFC_SET(atomic_caps, caps, atomic_operations, 3); /* compare and swap, fetch and add */
	IFC_SET(atomic_caps, caps, atomic_size_qp, 8);
	IFC_SET(atomic_caps, caps, atomic_size_dc, 8);
}

/* Bit masks of the logs of the sizes that operations have; the kernel's layout reserves them */
#define MEMIC_INCREMENT_SIZES 0x20
#define MEMIC_TEST_AND_SET_SIZES 0x30
#define MEMIC_SIZES_WIDTH 8
#define MEMIC_SIZE_1 1

static void caps_device_memory(uint8_t *caps)
{
#define CAP(field, value) IFC_SET(device_mem_cap, caps, field, value)
	CAP(memic, 1);
	CAP(log_min_memic_alloc_size, CAPS_MEMIC_LOG_UNIT);
	CAP(log_max_memic_addr_alignment, CAPS_MEMIC_LOG_ALIGN);
	CAP(memic_bar_start_addr, CAPS_MEMIC_START);
	CAP(memic_bar_size, CAPS_MEMIC_SIZE);
	CAP(max_memic_size, CAPS_MEMIC_MAX);
	CAP(memic_operations, 1 << MEMIC_INCREMENT | 1 << MEMIC_TEST_AND_SET);
#undef CAP
	ifc_set(caps, MEMIC_INCREMENT_SIZES, MEMIC_SIZES_WIDTH, MEMIC_SIZE_1);
	ifc_set(caps, MEMIC_TEST_AND_SET_SIZES, MEMIC_SIZES_WIDTH, MEMIC_SIZE_1);
}

void caps_init(struct dev *dev)
{
	unsigned int i;

	memset(dev->caps_general, 0, sizeof(dev->caps_general));
	memset(dev->caps_general_2, 0, sizeof(dev->caps_general_2));
	memset(dev->caps_odp, 0, sizeof(dev->caps_odp));
	memset(dev->caps_atomic, 0, sizeof(dev->caps_atomic));
	memset(dev->caps_device_memory, 0, sizeof(dev->caps_device_memory));
	caps_general(dev->caps_general);
	/* the model always keeps the order, which out-of-order data placement allows */
	IFC_SET(cmd_hca_cap_2, dev->caps_general_2, dp_ordering_force, 1);
	ifc_set(dev->caps_general_2, CAPS_LOG_RESERVED_QPNS_BIT, CAPS_LOG_RESERVED_QPNS_WIDTH,
		CAPS_LOG_RESERVED_QPNS);
	ifc_set(dev->caps_general_2, CAPS_2_NO_RECORD_BIT, 1, 1);
	ifc_set(dev->caps_general_2, CAPS_2_LOG_MAX_NO_RECORD_BIT, CAPS_2_LOG_MAX_NO_RECORD_WIDTH,
		CAPS_LOG_MAX_QP);
	caps_odp(dev);
	caps_atomic(dev->caps_atomic);
	caps_device_memory(dev->caps_device_memory);
	caps_profile(dev);
	for (i = 0; i < dev->options.cap_count; i++)
		caps_set(dev, &dev->options.caps[i]);
}
