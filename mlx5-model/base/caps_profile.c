// SPDX-License-Identifier: GPL-2.0 OR Linux-OpenIB
/*
 * Generations of firmware: what they announce other than by default, as far as the model implements
 * it and drivers react. hca.c has the versions of the interface.
 */
#include "base/caps.h"

#define FIELD(group, layout, field, value) \
	{ group, IFC_BIT(layout, field), IFC_WIDTH(layout, field), value }
#define GENERAL(field, value) FIELD(CAPS_GENERAL, cmd_hca_cap, field, value)
#define GENERAL_2(field, value) FIELD(CAPS_GENERAL_2, cmd_hca_cap_2, field, value)
#define ODP(field, value) FIELD(CAPS_ODP, odp_scheme_cap, field, value)

/* The largest pages of the new profile; without these capabilities it is 2^31 */
#define NEW_LOG_PAGE_MAX 40

/* On-demand paging of RC and of UD sends, without implicit MRs; no DevX, no device memory, no DC */
static const struct cap_setting caps_old[] = {
	GENERAL(hca_cap_2, 0),
	GENERAL(device_memory, 0),
	GENERAL(general_obj_types, 0),
	GENERAL(log_max_uctx, 0),
	GENERAL(log_max_umem, 0),
	GENERAL(cqe_128_always, 0),
	GENERAL(dp_ordering_ooo_all_rc, 0),
	GENERAL(dp_ordering_ooo_all_xrc, 0),
	GENERAL(dp_ordering_ooo_all_dc, 0),
	GENERAL(dp_ordering_ooo_all_uc, 0),
	GENERAL(dp_ordering_ooo_all_ud, 0),
	GENERAL(dct, 0),
	GENERAL(log_max_ra_req_dc, 0),
	GENERAL(log_max_ra_res_dc, 0),
	GENERAL(qpc_extension, 0),
	GENERAL(log_max_dci_stream_channels, 0),
	GENERAL(log_max_dci_errored_streams, 0),
	{ CAPS_GENERAL, CAPS_DMA_MMO_QP_BIT, 1, 0 },
	{ CAPS_GENERAL, CAPS_LOG_DMA_MMO_MAX_SIZE_BIT, CAPS_LOG_DMA_MMO_MAX_SIZE_WIDTH, 0 },
	GENERAL(fixed_buffer_size, 0),
	GENERAL(null_mkey, 0),
	GENERAL(terminate_scatter_list_mkey, 0),
	GENERAL(umr_extended_translation_offset, 0),
	GENERAL_2(dp_ordering_force, 0),
	{ CAPS_GENERAL_2, CAPS_LOG_RESERVED_QPNS_BIT, CAPS_LOG_RESERVED_QPNS_WIDTH, 0 },
	{ CAPS_GENERAL_2, CAPS_2_NO_RECORD_BIT, 1, 0 },
	{ CAPS_GENERAL_2, CAPS_2_LOG_MAX_NO_RECORD_BIT, CAPS_2_LOG_MAX_NO_RECORD_WIDTH, 0 },
	ODP(rc_odp_caps.atomic, 0),
	ODP(rc_odp_caps.srq_receive, 0),
	ODP(xrc_odp_caps.send, 0),
	ODP(xrc_odp_caps.receive, 0),
	ODP(xrc_odp_caps.write, 0),
	ODP(xrc_odp_caps.read, 0),
	ODP(xrc_odp_caps.atomic, 0),
	ODP(xrc_odp_caps.srq_receive, 0),
	ODP(dc_odp_caps.send, 0),
	ODP(dc_odp_caps.receive, 0),
	ODP(dc_odp_caps.write, 0),
	ODP(dc_odp_caps.read, 0),
	ODP(dc_odp_caps.atomic, 0),
	ODP(dc_odp_caps.srq_receive, 0),
	ODP(page_prefetch, 0),
};

/* Completions of version 1, pages of more than 2^31, relaxed ordering by UMR, UMRs without fences */
static const struct cap_setting caps_new[] = {
	GENERAL(cqe_version, 1),
	GENERAL(umr_fence, 2),
	GENERAL(relaxed_ordering_write, 1),
	GENERAL(relaxed_ordering_write_umr, 1),
	GENERAL(relaxed_ordering_read, 1),
	GENERAL(relaxed_ordering_read_umr, 1),
	GENERAL_2(umr_log_entity_size_5, 1),
	GENERAL_2(max_mkey_log_entity_size_mtt, NEW_LOG_PAGE_MAX),
	GENERAL_2(max_mkey_log_entity_size_fixed_buffer, NEW_LOG_PAGE_MAX),
	GENERAL_2(min_mkey_log_entity_size_fixed_buffer_valid, 1),
	GENERAL_2(min_mkey_log_entity_size_fixed_buffer, 12),
};

static const struct {
	const char *name;
	const struct cap_setting *caps;
	unsigned int count;
	uint16_t firmware_major, firmware_minor;
} caps_profiles[] = {
	[PROFILE_DEFAULT] = { "default", NULL, 0, 20, 30 },
	[PROFILE_OLD] = { "old", caps_old, sizeof(caps_old) / sizeof(caps_old[0]), 10, 16 },
	[PROFILE_NEW] = { "new", caps_new, sizeof(caps_new) / sizeof(caps_new[0]), 28, 43 },
};

bool caps_profile_parse(const char *name, enum dev_profile *profile)
{
	size_t i;

	for (i = 0; i < sizeof(caps_profiles) / sizeof(caps_profiles[0]); i++)
		if (!strcmp(caps_profiles[i].name, name)) {
			*profile = i;
			return true;
		}
	return false;
}

void caps_profile(struct dev *dev)
{
	unsigned int i;

	for (i = 0; i < caps_profiles[dev->options.profile].count; i++)
		caps_set(dev, &caps_profiles[dev->options.profile].caps[i]);
}

uint32_t caps_firmware(const struct dev *dev)
{
	return (uint32_t)caps_profiles[dev->options.profile].firmware_minor << 16 |
	       caps_profiles[dev->options.profile].firmware_major;
}
